// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packets inside the crypto API, which may finish at once or later. Whoever
 * calls cannot tell: crypt->done runs exactly once either way.
 *
 * Requests are never backlogged (no CRYPTO_TFM_REQ_MAY_BACKLOG): a full queue
 * refuses with -ENOSPC, which is a drop, instead of growing without end.
 */
#include <crypto/aead.h>
#include <linux/slab.h>

#include "cygnet.h"

/**
 * cyg_crypt_new - room for one packet
 * @sa: to be held until cyg_crypt_free()
 * @segments: entries of crypt->src beyond the associated data; 0 when what is
 *	read is also what is written
 *
 * Return: NULL if out of memory, or the SA is on its way out
 */
struct cyg_crypt *cyg_crypt_new(struct cyg_sa *sa, unsigned int segments)
{
	size_t size = ALIGN(sizeof(struct cyg_crypt) +
			    crypto_aead_reqsize(sa->aead),
			    __alignof__(struct scatterlist));
	struct cyg_crypt *crypt;

	if (!percpu_ref_tryget_live(&sa->ref))
		return NULL;
	if (segments)
		segments++;
	crypt = kmalloc(size + segments * sizeof(struct scatterlist),
			GFP_ATOMIC | __GFP_NOWARN);
	if (!crypt) {
		percpu_ref_put(&sa->ref);
		return NULL;
	}
	memset(crypt, 0, sizeof(*crypt));
	crypt->sa = sa;
	sg_init_table(crypt->dst, ARRAY_SIZE(crypt->dst));
	sg_set_buf(&crypt->dst[0], crypt->aad, sizeof(crypt->aad));
	crypt->src = crypt->dst;
	if (segments) {
		crypt->src = (void *)crypt + size;
		sg_init_table(crypt->src, segments);
		sg_set_buf(&crypt->src[0], crypt->aad, sizeof(crypt->aad));
		sg_set_buf(&crypt->dst[0], crypt->aad_scratch,
			   sizeof(crypt->aad_scratch));
	}
	aead_request_set_tfm(&crypt->req, sa->aead);
	return crypt;
}

/**
 * cyg_crypt_free - let go of the SA and what is left of the packet
 * @crypt: not inside the crypto API any more
 */
void cyg_crypt_free(struct cyg_crypt *crypt)
{
	struct cyg_sa *sa = crypt->sa;

	consume_skb(crypt->source);
	kfree_sensitive(crypt);
	percpu_ref_put(&sa->ref);
}

/* Runs with BH off, under whatever context the crypto driver has. */
static void crypt_done(crypto_completion_data_t *data, int err)
{
	struct cyg_crypt *crypt = crypto_get_completion_data(data);

	/* Only news of a backlogged request, which ours never are. */
	if (err == -EINPROGRESS)
		return;
	atomic_dec(&crypt->sa->cn->crypto_pending);
	crypt->done(crypt, err);
}

static void start(struct cyg_crypt *crypt, unsigned int len,
		  int (*operation)(struct aead_request *req))
{
	/* Once the operation has started, crypt may be gone. */
	struct cyg_net *cn = crypt->sa->cn;
	int err;

	crypt->src[0].length = crypt->aad_len;
	crypt->dst[0].length = crypt->aad_len;
	aead_request_set_callback(&crypt->req, 0, crypt_done, crypt);
	aead_request_set_crypt(&crypt->req, crypt->src, crypt->dst, len,
			       crypt->iv);
	aead_request_set_ad(&crypt->req, crypt->aad_len);

	atomic_inc(&cn->crypto_pending);
	err = operation(&crypt->req);
	if (err == -EINPROGRESS)
		return;
	atomic_dec(&cn->crypto_pending);
	crypt->done(crypt, err);
}

/**
 * cyg_crypt_encrypt - encrypt and add the ICV
 * @crypt: with dst, aad, iv and done filled in
 * @len: bytes to encrypt, the ICV not included
 */
void cyg_crypt_encrypt(struct cyg_crypt *crypt, unsigned int len)
{
	start(crypt, len, crypto_aead_encrypt);
}

/**
 * cyg_crypt_decrypt - check the ICV and decrypt
 * @crypt: with src, dst, aad, iv and done filled in
 * @len: bytes to decrypt, the ICV included
 */
void cyg_crypt_decrypt(struct cyg_crypt *crypt, unsigned int len)
{
	start(crypt, len, crypto_aead_decrypt);
}
