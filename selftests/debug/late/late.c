// SPDX-License-Identifier: GPL-2.0-only
/*
 * AES-GCM that sometimes takes its time: rfc4106(gcm(aes)) before all others,
 * which leaves each every-th request, or with every=0 a random half of them, to
 * a work item, up to delay milliseconds later. Nothing keeps their order. With fail=1
 * all end in an error, whether now or later.
 *
 * Debian's own does so only now and then, and pcrypt() always; what a burst has
 * in its middle neither shows.
 */

#include <crypto/internal/aead.h>
#include <linux/bottom_half.h>
#include <linux/err.h>
#include <linux/module.h>
#include <linux/random.h>
#include <linux/workqueue.h>

static uint every = 3;
module_param(every, uint, 0644);
static uint delay = 4;
module_param(delay, uint, 0644);
static bool fail;
module_param(fail, bool, 0644);

static atomic_t count = ATOMIC_INIT(0);
static atomic_t postponed = ATOMIC_INIT(0);
static struct workqueue_struct *wq;

static int postponed_get(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "%d\n", atomic_read(&postponed));
}

static const struct kernel_param_ops postponed_ops = { .get = postponed_get };
module_param_cb(postponed, &postponed_ops, NULL, 0444);

/* The requests that are wanted now; below is what they are passed on to. */
struct late_tfm {
	struct crypto_aead *child;
};

struct late_request {
	struct delayed_work work;
	struct aead_request *req;
	bool encrypt;
	struct aead_request sub; /* with the child's context behind it */
};

static int pass_on(struct aead_request *req, bool encrypt)
{
	struct late_tfm *tfm = crypto_aead_ctx(crypto_aead_reqtfm(req));
	struct late_request *late = aead_request_ctx(req);

	if (fail)
		return -EIO;
	aead_request_set_tfm(&late->sub, tfm->child);
	aead_request_set_callback(&late->sub, 0, NULL, NULL);
	aead_request_set_crypt(&late->sub, req->src, req->dst, req->cryptlen, req->iv);
	aead_request_set_ad(&late->sub, req->assoclen);
	return encrypt ? crypto_aead_encrypt(&late->sub) : crypto_aead_decrypt(&late->sub);
}

static void work(struct work_struct *item)
{
	struct late_request *late = container_of(to_delayed_work(item), struct late_request, work);
	int err = pass_on(late->req, late->encrypt);

	local_bh_disable();
	aead_request_complete(late->req, err);
	local_bh_enable();
}

static bool is_due(void)
{
	return every ? atomic_inc_return(&count) % every == 0 : get_random_u32() & 1;
}

static int start(struct aead_request *req, bool encrypt)
{
	struct late_request *late = aead_request_ctx(req);

	if (!is_due())
		return pass_on(req, encrypt);
	atomic_inc(&postponed);
	late->req = req;
	late->encrypt = encrypt;
	INIT_DELAYED_WORK(&late->work, work);
	queue_delayed_work(wq, &late->work,
			   msecs_to_jiffies(get_random_u32() % (delay + 1)));
	return -EINPROGRESS;
}

static int late_encrypt(struct aead_request *req)
{
	return start(req, true);
}

static int late_decrypt(struct aead_request *req)
{
	return start(req, false);
}

static int late_setkey(struct crypto_aead *aead, const u8 *key, unsigned int len)
{
	struct late_tfm *tfm = crypto_aead_ctx(aead);

	return crypto_aead_setkey(tfm->child, key, len);
}

static int late_setauthsize(struct crypto_aead *aead, unsigned int size)
{
	struct late_tfm *tfm = crypto_aead_ctx(aead);

	return crypto_aead_setauthsize(tfm->child, size);
}

static int late_init(struct crypto_aead *aead)
{
	struct late_tfm *tfm = crypto_aead_ctx(aead);

	tfm->child = crypto_alloc_aead("rfc4106(gcm(aes))", 0, CRYPTO_ALG_ASYNC);
	if (IS_ERR(tfm->child))
		return PTR_ERR(tfm->child);
	crypto_aead_set_reqsize(aead, sizeof(struct late_request) +
					      crypto_aead_reqsize(tfm->child));
	return 0;
}

static void late_exit(struct crypto_aead *aead)
{
	struct late_tfm *tfm = crypto_aead_ctx(aead);

	crypto_free_aead(tfm->child);
}

static struct aead_alg alg = {
	.setkey = late_setkey,
	.setauthsize = late_setauthsize,
	.encrypt = late_encrypt,
	.decrypt = late_decrypt,
	.init = late_init,
	.exit = late_exit,
	.ivsize = 8,
	.maxauthsize = 16,
	.base = {
		.cra_name = "rfc4106(gcm(aes))",
		.cra_driver_name = "late-rfc4106-gcm-aes",
		.cra_priority = 2000000,
		.cra_flags = CRYPTO_ALG_ASYNC,
		.cra_blocksize = 1,
		.cra_ctxsize = sizeof(struct late_tfm),
		.cra_module = THIS_MODULE,
	},
};

static int __init late_module_init(void)
{
	int err;

	wq = alloc_workqueue("late", WQ_UNBOUND, 0);
	if (!wq)
		return -ENOMEM;
	err = crypto_register_aead(&alg);
	if (err)
		destroy_workqueue(wq);
	return err;
}

static void __exit late_module_exit(void)
{
	crypto_unregister_aead(&alg);
	destroy_workqueue(wq);
}

module_init(late_module_init);
module_exit(late_module_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("AES-GCM that sometimes takes its time, for cygnet's tests");
