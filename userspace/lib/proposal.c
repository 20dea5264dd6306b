// SPDX-License-Identifier: GPL-2.0-or-later

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "proposal.h"
#include "text.h"

enum {
	IN_IKE = 1,		/* cygnetd can do it for the IKE SA */
	IN_ESP = 2,		/* the kernel module can do it */
	LEGACY = 4,		/* only where the configuration names it */
	AEAD = 8,
};

struct algorithm {
	u8 alg_type;
	u16 alg_id;
	u16 alg_key_bits;
	u8 alg_flags;
	u8 alg_salt;		/* bytes after the key in KEYMAT */
	u8 alg_key;		/* bytes of an integrity algorithm's key */
	const char *alg_word;	/* in the configuration */
	const char *alg_name;	/* in log lines, without the key length */
	const char *alg_refusal;	/* why never, whoever asks for it */
};

#define ENCR(id, bits, flags, salt, word, name, refusal) \
	{ TRANSFORM_ENCR, id, bits, flags, salt, 0, word, name, refusal }
#define INTEG(id, flags, key, word, name) \
	{ TRANSFORM_INTEG, id, 0, flags, 0, key, word, name, NULL }
#define OTHER(type, id, flags, word, name, refusal) \
	{ TRANSFORM_ ## type, id, 0, flags, 0, 0, word, name, refusal }

#define WEAK_CIPHER	"must not be used (RFC 8221 section 5, RFC 9395)"
#define WEAK_MD5	"MD5 must not be used (RFC 8247 section 2.2)"
#define WEAK_INTEG	"must not be used (RFC 8247 section 2.3)"
#define WEAK_GROUP	"must not be used (RFC 8247 section 2.4)"

/*
 * All that has a number worth a name. What is neither in IN_IKE nor in IN_ESP
 * is refused as not in this release, or for its alg_refusal. A word that
 * stands twice names both: "sha256" is a PRF and an integrity algorithm.
 */
static const struct algorithm algorithms[] = {
	ENCR(ENCR_AES_GCM_16, 256, IN_IKE | IN_ESP | AEAD, 4, "aes256gcm",
	     "AES-GCM-16", NULL),
	ENCR(ENCR_AES_GCM_16, 128, IN_IKE | IN_ESP | AEAD, 4, "aes128gcm",
	     "AES-GCM-16", NULL),
	ENCR(ENCR_AES_GCM_16, 192, IN_IKE | IN_ESP | AEAD, 4, "aes192gcm",
	     "AES-GCM-16", NULL),
	ENCR(ENCR_CHACHA20_POLY1305, 0, IN_IKE | IN_ESP | AEAD, 4,
	     "chacha20poly1305", "CHACHA20-POLY1305", NULL),
	ENCR(ENCR_AES_CBC, 256, IN_IKE | IN_ESP, 0, "aes256", "AES-CBC", NULL),
	ENCR(ENCR_AES_CBC, 192, IN_IKE | IN_ESP, 0, "aes192", "AES-CBC", NULL),
	ENCR(ENCR_AES_CBC, 128, IN_IKE | IN_ESP, 0, "aes128", "AES-CBC", NULL),
	ENCR(ENCR_AES_CTR, 256, IN_ESP, 4, "aes256ctr",
	     "AES-CTR", NULL),
	ENCR(ENCR_AES_CTR, 192, IN_ESP, 4, "aes192ctr",
	     "AES-CTR", NULL),
	ENCR(ENCR_AES_CTR, 128, IN_ESP, 4, "aes128ctr",
	     "AES-CTR", NULL),
	ENCR(ENCR_AES_CCM_16, 256, IN_ESP | AEAD, 3, "aes256ccm",
	     "AES-CCM-16", NULL),
	ENCR(ENCR_AES_CCM_16, 192, IN_ESP | AEAD, 3, "aes192ccm",
	     "AES-CCM-16", NULL),
	ENCR(ENCR_AES_CCM_16, 128, IN_ESP | AEAD, 3, "aes128ccm",
	     "AES-CCM-16", NULL),
	ENCR(ENCR_AES_CCM_12, 256, IN_ESP | AEAD, 3, "aes256ccm12",
	     "AES-CCM-12", NULL),
	ENCR(ENCR_AES_CCM_12, 192, IN_ESP | AEAD, 3, "aes192ccm12",
	     "AES-CCM-12", NULL),
	ENCR(ENCR_AES_CCM_12, 128, IN_ESP | AEAD, 3, "aes128ccm12",
	     "AES-CCM-12", NULL),
	ENCR(ENCR_AES_CCM_8, 256, IN_ESP | AEAD, 3, "aes256ccm8",
	     "AES-CCM-8", NULL),
	ENCR(ENCR_AES_CCM_8, 192, IN_ESP | AEAD, 3, "aes192ccm8",
	     "AES-CCM-8", NULL),
	ENCR(ENCR_AES_CCM_8, 128, IN_ESP | AEAD, 3, "aes128ccm8",
	     "AES-CCM-8", NULL),
	ENCR(ENCR_AES_GCM_12, 256, IN_ESP | AEAD, 4, "aes256gcm12",
	     "AES-GCM-12", NULL),
	ENCR(ENCR_AES_GCM_12, 192, IN_ESP | AEAD, 4, "aes192gcm12",
	     "AES-GCM-12", NULL),
	ENCR(ENCR_AES_GCM_12, 128, IN_ESP | AEAD, 4, "aes128gcm12",
	     "AES-GCM-12", NULL),
	ENCR(ENCR_AES_GCM_8, 256, IN_ESP | AEAD, 4, "aes256gcm8",
	     "AES-GCM-8", NULL),
	ENCR(ENCR_AES_GCM_8, 192, IN_ESP | AEAD, 4, "aes192gcm8",
	     "AES-GCM-8", NULL),
	ENCR(ENCR_AES_GCM_8, 128, IN_ESP | AEAD, 4, "aes128gcm8",
	     "AES-GCM-8", NULL),
	ENCR(ENCR_NULL_AES_GMAC, 256, IN_ESP | AEAD, 4, "aes256gmac",
	     "NULL-AES-GMAC", NULL),
	ENCR(ENCR_NULL_AES_GMAC, 192, IN_ESP | AEAD, 4, "aes192gmac",
	     "NULL-AES-GMAC", NULL),
	ENCR(ENCR_NULL_AES_GMAC, 128, IN_ESP | AEAD, 4, "aes128gmac",
	     "NULL-AES-GMAC", NULL),
	ENCR(ENCR_NULL, 0, IN_ESP, 0, "null", "NULL", NULL),
	ENCR(ENCR_CAMELLIA_CBC, 0, 0, 0, "camellia", "CAMELLIA-CBC", NULL),
	ENCR(ENCR_3DES, 0, 0, 0, "3des", "3DES", WEAK_CIPHER),
	ENCR(ENCR_DES, 0, 0, 0, "des", "DES", WEAK_CIPHER),
	ENCR(ENCR_DES_IV64, 0, 0, 0, "des-iv64", "DES-IV64", WEAK_CIPHER),
	ENCR(ENCR_DES_IV32, 0, 0, 0, "des-iv32", "DES-IV32", WEAK_CIPHER),
	ENCR(ENCR_RC5, 0, 0, 0, "rc5", "RC5", WEAK_CIPHER),
	ENCR(ENCR_IDEA, 0, 0, 0, "idea", "IDEA", WEAK_CIPHER),
	ENCR(ENCR_3IDEA, 0, 0, 0, "3idea", "3IDEA", WEAK_CIPHER),
	ENCR(ENCR_CAST, 0, 0, 0, "cast", "CAST", WEAK_CIPHER),
	ENCR(ENCR_BLOWFISH, 0, 0, 0, "blowfish", "BLOWFISH", WEAK_CIPHER),

	INTEG(INTEG_HMAC_SHA2_256_128, IN_IKE | IN_ESP, 32, "sha256",
	      "HMAC-SHA2-256-128"),
	INTEG(INTEG_HMAC_SHA2_384_192, IN_IKE | IN_ESP, 48, "sha384",
	      "HMAC-SHA2-384-192"),
	INTEG(INTEG_HMAC_SHA2_512_256, IN_IKE | IN_ESP, 64, "sha512",
	      "HMAC-SHA2-512-256"),
	INTEG(INTEG_AES_CMAC_96, IN_ESP, 16, "aescmac",
	      "AES-CMAC-96"),
	INTEG(INTEG_AES_XCBC_96, IN_ESP, 16, "aesxcbc",
	      "AES-XCBC-96"),
	INTEG(INTEG_HMAC_SHA1_96, IN_ESP | LEGACY, 20, "sha1",
	      "HMAC-SHA1-96"),
	OTHER(INTEG, INTEG_HMAC_MD5_96, 0, "md5", "HMAC-MD5-96", WEAK_MD5),
	OTHER(INTEG, INTEG_HMAC_MD5_128, 0, "md5_128", "HMAC-MD5-128",
	      WEAK_MD5),
	OTHER(INTEG, INTEG_HMAC_SHA1_160, 0, "sha1_160", "HMAC-SHA1-160",
	      WEAK_INTEG),
	OTHER(INTEG, INTEG_DES_MAC, 0, "desmac", "DES-MAC", WEAK_INTEG),
	OTHER(INTEG, INTEG_KPDK_MD5, 0, "kpdk", "KPDK-MD5", WEAK_INTEG),
	OTHER(INTEG, INTEG_NONE, AEAD, NULL, "none", NULL),

	OTHER(PRF, PRF_HMAC_SHA2_256, IN_IKE, "prfsha256", "HMAC-SHA2-256",
	      NULL),
	OTHER(PRF, PRF_HMAC_SHA2_384, IN_IKE, "prfsha384", "HMAC-SHA2-384",
	      NULL),
	OTHER(PRF, PRF_HMAC_SHA2_512, IN_IKE, "prfsha512", "HMAC-SHA2-512",
	      NULL),
	OTHER(PRF, PRF_HMAC_SHA1, LEGACY, "prfsha1", "HMAC-SHA1", NULL),
	OTHER(PRF, PRF_AES128_XCBC, 0, "prfaesxcbc", "AES128-XCBC", NULL),
	OTHER(PRF, PRF_AES128_CMAC, 0, "prfaescmac", "AES128-CMAC", NULL),
	OTHER(PRF, PRF_HMAC_MD5, 0, "prfmd5", "HMAC-MD5", WEAK_MD5),
	OTHER(PRF, PRF_HMAC_TIGER, 0, "prftiger", "HMAC-TIGER", WEAK_INTEG),

	OTHER(KE, KE_X25519, IN_IKE | IN_ESP, "x25519", "X25519", NULL),
	OTHER(KE, KE_ECP_256, IN_IKE | IN_ESP, "ecp256", "ECP-256", NULL),
	OTHER(KE, KE_MODP_2048, IN_IKE | IN_ESP, "modp2048", "MODP-2048",
	      NULL),
	OTHER(KE, KE_ECP_384, IN_IKE | IN_ESP, "ecp384", "ECP-384", NULL),
	OTHER(KE, KE_ECP_521, IN_IKE | IN_ESP, "ecp521", "ECP-521", NULL),
	OTHER(KE, KE_X448, IN_IKE | IN_ESP, "x448", "X448", NULL),
	OTHER(KE, KE_MODP_3072, IN_IKE | IN_ESP, "modp3072", "MODP-3072",
	      NULL),
	OTHER(KE, KE_MODP_4096, IN_IKE | IN_ESP, "modp4096", "MODP-4096",
	      NULL),
	OTHER(KE, KE_MODP_6144, IN_IKE | IN_ESP, "modp6144", "MODP-6144",
	      NULL),
	OTHER(KE, KE_MODP_8192, IN_IKE | IN_ESP, "modp8192", "MODP-8192",
	      NULL),
	OTHER(KE, KE_ML_KEM_512, IN_IKE | IN_ESP, "mlkem512", "ML-KEM-512",
	      NULL),
	OTHER(KE, KE_ML_KEM_768, IN_IKE | IN_ESP, "mlkem768", "ML-KEM-768",
	      NULL),
	OTHER(KE, KE_ML_KEM_1024, IN_IKE | IN_ESP, "mlkem1024", "ML-KEM-1024",
	      NULL),
	OTHER(KE, KE_MODP_1536, LEGACY, "modp1536", "MODP-1536", NULL),
	OTHER(KE, KE_MODP_1024, LEGACY, "modp1024", "MODP-1024", NULL),
	OTHER(KE, KE_MODP_2048_224, LEGACY, "modp2048s224", "MODP-2048-224",
	      NULL),
	OTHER(KE, KE_MODP_2048_256, LEGACY, "modp2048s256", "MODP-2048-256",
	      NULL),
	OTHER(KE, KE_MODP_768, 0, "modp768", "MODP-768", WEAK_GROUP),
	OTHER(KE, KE_MODP_1024_160, 0, "modp1024s160", "MODP-1024-160",
	      WEAK_GROUP),
	OTHER(KE, KE_NONE, IN_ESP, "none", "none", NULL),

	OTHER(ESN, ESN_YES, IN_ESP, "esn", "yes", NULL),
	OTHER(ESN, ESN_NO, IN_ESP, "noesn", "no", NULL),
};

/* What people coming from elsewhere write. */
static const struct {
	const char *alias;
	const char *word;
} aliases[] = {
	{ "aes128gcm16", "aes128gcm" },
	{ "aes192gcm16", "aes192gcm" },
	{ "aes256gcm16", "aes256gcm" },
	{ "chacha20", "chacha20poly1305" },
	{ "aes128ccm16", "aes128ccm" },
	{ "aes192ccm16", "aes192ccm" },
	{ "aes256ccm16", "aes256ccm" },
	{ "aes128cbc", "aes128" },
	{ "aes192cbc", "aes192" },
	{ "aes256cbc", "aes256" },
	{ "sha2_256", "sha256" },
	{ "sha2_384", "sha384" },
	{ "sha2_512", "sha512" },
	{ "curve25519", "x25519" },
	{ "curve448", "x448" },
	{ "sha", "sha1" },
};

static const struct algorithm *find_id(const struct transform *tr)
{
	const struct algorithm *alg, *any_length = NULL;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(algorithms); i++) {
		alg = &algorithms[i];
		if (alg->alg_type != tr->tr_type || alg->alg_id != tr->tr_id)
			continue;
		if (alg->alg_key_bits == tr->tr_key_bits)
			return alg;
		any_length = alg;
	}
	return any_length;
}

static bool is_addke(u8 type)
{
	return type >= TRANSFORM_ADDKE1 && type <= TRANSFORM_ADDKE7;
}

/* As a key exchange, whichever of the exchanges it is for. */
static const struct algorithm *find_named(const struct transform *tr)
{
	struct transform ke = *tr;

	if (is_addke(tr->tr_type))
		ke.tr_type = TRANSFORM_KE;
	return find_id(&ke);
}

static bool key_bits_match(const struct algorithm *alg,
			   const struct transform *tr)
{
	return alg->alg_key_bits == tr->tr_key_bits;
}

static const struct algorithm *find_word(const char *word)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(aliases); i++)
		if (!strcmp(word, aliases[i].alias))
			word = aliases[i].word;
	for (i = 0; i < ARRAY_SIZE(algorithms); i++)
		if (algorithms[i].alg_word &&
		    !strcmp(word, algorithms[i].alg_word))
			return &algorithms[i];
	return NULL;
}

/* The PRF that goes by the same hash as an integrity algorithm. */
static const struct algorithm *prf_of(u16 integ)
{
	struct transform tr = { TRANSFORM_INTEG, integ, 0 };
	const struct algorithm *alg = find_id(&tr);
	char word[32] = "prf";

	if (!alg || !alg->alg_word)
		return NULL;
	text_append(word, sizeof(word), "%s", alg->alg_word);
	return find_word(word);
}

bool encr_is_aead(u16 id)
{
	struct transform tr = { TRANSFORM_ENCR, id, 0 };
	const struct algorithm *alg = find_id(&tr);

	return alg && alg->alg_flags & AEAD;
}

bool transform_equal(const struct transform *a, const struct transform *b)
{
	return a->tr_type == b->tr_type && a->tr_id == b->tr_id &&
	       a->tr_key_bits == b->tr_key_bits;
}

bool proposal_has(const struct proposal *prop, const struct transform *tr)
{
	size_t i;

	for (i = 0; i < prop->prop_count; i++)
		if (transform_equal(&prop->prop_transforms[i], tr))
			return true;
	return false;
}

const struct transform *proposal_first(const struct proposal *prop, u8 type)
{
	size_t i;

	for (i = 0; i < prop->prop_count; i++)
		if (prop->prop_transforms[i].tr_type == type)
			return &prop->prop_transforms[i];
	return NULL;
}

bool proposal_add(struct proposal *prop, u8 type, u16 id, u16 key_bits)
{
	struct transform *tr = prop->prop_transforms;
	size_t at = prop->prop_count;

	if (at >= PROPOSAL_TRANSFORMS_MAX)
		return false;
	while (at && tr[at - 1].tr_type > type)
		at--;
	memmove(tr + at + 1, tr + at, (prop->prop_count - at) * sizeof(*tr));
	tr[at] = (struct transform){ type, id, key_bits };
	prop->prop_count++;
	return true;
}

static void remove_type(struct proposal *prop, u8 type)
{
	size_t i, kept = 0;

	for (i = 0; i < prop->prop_count; i++)
		if (prop->prop_transforms[i].tr_type != type)
			prop->prop_transforms[kept++] =
				prop->prop_transforms[i];
	memset(prop->prop_transforms + kept, 0, (prop->prop_count - kept) *
	       sizeof(prop->prop_transforms[0]));
	prop->prop_count = kept;
}

bool ke_is_quantum(u16 id)
{
	return id >= KE_ML_KEM_512 && id <= KE_ML_KEM_1024;
}

bool ke_at_hand(u16 id)
{
	static enum { UNKNOWN, ABSENT, PRESENT } known;
	EVP_KEYMGMT *keymgmt;

	if (!ke_is_quantum(id))
		return true;
	if (known == UNKNOWN) {
		keymgmt = EVP_KEYMGMT_fetch(NULL, "ML-KEM-768", NULL);
		known = keymgmt ? PRESENT : ABSENT;
		EVP_KEYMGMT_free(keymgmt);
	}
	return known == PRESENT;
}

/* There is such a type, and each of its alternatives is one. */
static bool type_is_quantum(const struct proposal *prop, u8 type)
{
	const struct transform *tr = prop->prop_transforms;
	bool any = false;
	size_t i;

	for (i = 0; i < prop->prop_count; i++) {
		if (tr[i].tr_type != type)
			continue;
		if (!ke_is_quantum(tr[i].tr_id))
			return false;
		any = true;
	}
	return any;
}

bool proposal_is_quantum(const struct proposal *prop)
{
	u8 type;

	for (type = TRANSFORM_ADDKE1; type <= TRANSFORM_ADDKE7; type++)
		if (type_is_quantum(prop, type))
			return true;
	return type_is_quantum(prop, TRANSFORM_KE);
}

static u8 protocol_flag(u8 protocol)
{
	return protocol == PROTO_IKE ? IN_IKE : IN_ESP;
}

static const char *alg_refusal(const struct algorithm *alg, u8 protocol)
{
	if (alg->alg_refusal)
		return alg->alg_refusal;
	if (alg->alg_type == TRANSFORM_ENCR && protocol == PROTO_AH)
		return "is a cipher, and AH has none";
	if (alg->alg_type == TRANSFORM_KE && !ke_at_hand(alg->alg_id))
		return "needs OpenSSL 3.5 or newer";
	if (alg->alg_flags & protocol_flag(protocol))
		return NULL;
	if (alg->alg_type == TRANSFORM_ESN)
		return "is for esp and ah proposals";
	if (alg->alg_type == TRANSFORM_PRF)
		return "is for ike proposals";
	if (alg->alg_type == TRANSFORM_KE && alg->alg_id == KE_NONE)
		return "cannot be: an IKE SA needs a key exchange";
	return "is not in this release";
}

const char *transform_refusal(const struct transform *tr, u8 protocol)
{
	const struct algorithm *alg = find_named(tr);

	if (!alg)
		return "is unknown";
	if (alg->alg_refusal || key_bits_match(alg, tr))
		return alg_refusal(alg, protocol);
	return "has a key length that is not in this release";
}

static bool refuse_unknown(const char *word, char *err, size_t err_size)
{
	struct suggestion near = { 0 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(algorithms); i++)
		if (algorithms[i].alg_word)
			suggest(&near, word, algorithms[i].alg_word);
	if (near.sug_best)
		snprintf(err, err_size,
			 "unknown algorithm \"%s\"; did you mean \"%s\"?", word,
			 near.sug_best);
	else
		snprintf(err, err_size, "unknown algorithm \"%s\"", word);
	return false;
}

/* @level: 0, or the number of the additional key exchange that it is for. */
static const char *word_refusal(const struct proposal *prop,
				const struct algorithm *alg,
				const struct transform *tr, unsigned int level)
{
	const struct transform *encr = proposal_first(prop, TRANSFORM_ENCR);

	if (level > 7)
		return "is one key exchange too many: there are at most seven besides the first";
	if (level && alg->alg_type != TRANSFORM_KE)
		return "is not a key exchange, which is what + adds";
	if (prop->prop_protocol == PROTO_ESP && tr->tr_type == TRANSFORM_INTEG &&
	    encr && encr_is_aead(encr->tr_id))
		return "is too much: the cipher brings its own integrity";
	if (proposal_has(prop, tr))
		return "stands there twice";
	if (level && alg->alg_id == KE_NONE)
		return NULL;
	return alg_refusal(alg, prop->prop_protocol);
}

static bool add_word(struct proposal *prop, const char *word,
		     unsigned int level, const char **legacy, char *err,
		     size_t err_size)
{
	const struct algorithm *alg = find_word(word);
	struct transform tr;
	const char *refusal;

	if (!alg)
		return refuse_unknown(word, err, err_size);
	tr = (struct transform){ alg->alg_type, alg->alg_id,
				 alg->alg_key_bits };
	if (level)
		tr.tr_type = (u8)(TRANSFORM_ADDKE1 + level - 1);
	refusal = word_refusal(prop, alg, &tr, level);
	if (!refusal && !proposal_add(prop, tr.tr_type, tr.tr_id,
				      tr.tr_key_bits))
		refusal = "is one algorithm too many";
	if (refusal) {
		snprintf(err, err_size, "\"%s\" %s", word, refusal);
		return false;
	}
	if (alg->alg_flags & LEGACY && legacy && !*legacy)
		*legacy = alg->alg_word;
	return true;
}

/* "x25519+mlkem768": each + adds a key exchange to those before it. */
static bool add_words(struct proposal *prop, char *words, const char **legacy,
		      char *err, size_t err_size)
{
	unsigned int level = 0;
	char *word;

	for (; (word = strsep(&words, "+")); level++) {
		if (!*word && words)
			continue;	/* none of that number */
		if (!add_word(prop, word, level, legacy, err, err_size))
			return false;
	}
	return true;
}

/* The hashes of an ike proposal name the PRF too, unless a "prf…" does. */
static bool complete_ike(struct proposal *prop, bool aead, char *err,
			 size_t err_size)
{
	bool prf_named = proposal_first(prop, TRANSFORM_PRF);
	const struct algorithm *prf;
	struct proposal hashes = *prop;
	size_t i;

	if (aead && prf_named && proposal_first(prop, TRANSFORM_INTEG)) {
		snprintf(err, err_size,
			 "a hash beside a \"prf…\" would be for integrity, but the cipher brings its own");
		return false;
	}
	for (i = 0; i < hashes.prop_count && !prf_named; i++) {
		if (hashes.prop_transforms[i].tr_type != TRANSFORM_INTEG)
			continue;
		prf = prf_of(hashes.prop_transforms[i].tr_id);
		if (prf && !proposal_add(prop, TRANSFORM_PRF, prf->alg_id, 0)) {
			snprintf(err, err_size, "too many algorithms");
			return false;
		}
	}
	if (aead)
		remove_type(prop, TRANSFORM_INTEG);
	if (!proposal_first(prop, TRANSFORM_PRF)) {
		snprintf(err, err_size,
			 "an ike proposal needs a hash for its PRF, as in \"-sha256\"");
		return false;
	}
	if (!proposal_first(prop, TRANSFORM_KE)) {
		snprintf(err, err_size,
			 "an ike proposal needs a key exchange, as in \"-x25519\"");
		return false;
	}
	return true;
}

/* RFC 9370 section 2.2.4: they come after a first one. */
static bool check_addke(const struct proposal *prop, char *err, size_t err_size)
{
	struct transform none = { TRANSFORM_KE, KE_NONE, 0 };
	u8 last = prop->prop_count ?
		  prop->prop_transforms[prop->prop_count - 1].tr_type : 0;

	if (!is_addke(last) || (proposal_first(prop, TRANSFORM_KE) &&
				!proposal_has(prop, &none)))
		return true;
	snprintf(err, err_size,
		 "an additional key exchange needs a first one, as in \"x25519+mlkem768\", which is not optional");
	return false;
}

static bool complete(struct proposal *prop, char *err, size_t err_size)
{
	bool aead = false, other = false;
	size_t i;

	for (i = 0; i < prop->prop_count; i++) {
		if (prop->prop_transforms[i].tr_type != TRANSFORM_ENCR)
			continue;
		if (encr_is_aead(prop->prop_transforms[i].tr_id))
			aead = true;
		else
			other = true;
	}
	if (prop->prop_protocol == PROTO_AH) {
		if (!proposal_first(prop, TRANSFORM_INTEG))
			snprintf(err, err_size,
				 "an ah proposal needs a hash, as in \"sha256\"");
		return proposal_first(prop, TRANSFORM_INTEG);
	}
	if (!aead && !other) {
		snprintf(err, err_size, "no cipher, as in \"aes256gcm\"");
		return false;
	}
	if (aead && other) {
		snprintf(err, err_size,
			 "ciphers with and without integrity of their own need two proposals, with a comma between them (RFC 7296 section 3.3)");
		return false;
	}
	if (prop->prop_protocol == PROTO_IKE &&
	    !complete_ike(prop, aead, err, err_size))
		return false;
	if (other && !proposal_first(prop, TRANSFORM_INTEG)) {
		snprintf(err, err_size,
			 "this cipher needs a hash for integrity, as in \"-sha256\"");
		return false;
	}
	return check_addke(prop, err, err_size);
}

bool proposal_parse(struct proposal *prop, u8 protocol, const char *text,
		    const char **legacy, char *err, size_t err_size)
{
	struct proposal parsed = { .prop_protocol = protocol };
	char buf[PROPOSAL_STRLEN], *word, *rest = buf;
	size_t len = strlen(text);

	if (legacy)
		*legacy = NULL;
	if (len >= sizeof(buf)) {
		snprintf(err, err_size, "too long");
		return false;
	}
	memcpy(buf, text, len + 1);
	while ((word = strsep(&rest, "-")))
		if (!add_words(&parsed, word, legacy, err, err_size))
			return false;
	if (!complete(&parsed, err, err_size))
		return false;
	*prop = parsed;
	return true;
}

void proposal_set_esn(struct proposal *prop, bool esn)
{
	if (proposal_first(prop, TRANSFORM_ESN))
		return;
	if (esn)
		proposal_add(prop, TRANSFORM_ESN, ESN_YES, 0);
	proposal_add(prop, TRANSFORM_ESN, ESN_NO, 0);
}

static bool same_transforms(const struct proposal *a, const struct proposal *b)
{
	size_t i;

	for (i = 0; i < a->prop_count; i++)
		if (i >= b->prop_count ||
		    !transform_equal(&a->prop_transforms[i],
				     &b->prop_transforms[i]))
			return false;
	return a->prop_count == b->prop_count;
}

/* Whether the hashes alone, without "prf…", say the PRFs. */
static bool prfs_implied(const struct proposal *prop)
{
	const struct transform *encr = proposal_first(prop, TRANSFORM_ENCR);
	struct proposal again = *prop;
	char err[8];

	remove_type(&again, TRANSFORM_PRF);
	return encr && !encr_is_aead(encr->tr_id) &&
	       complete_ike(&again, false, err, sizeof(err)) &&
	       same_transforms(&again, prop);
}

static const char *word_in(const struct proposal *prop,
			   const struct transform *tr)
{
	const struct transform *encr = proposal_first(prop, TRANSFORM_ENCR);
	const char *word = transform_word(tr);

	if (word && tr->tr_type == TRANSFORM_PRF && encr &&
	    encr_is_aead(encr->tr_id))
		return word + strlen("prf");
	return word;
}

/*
 * The first alternatives of all key exchanges in one word, "x25519+mlkem768",
 * then further ones of the additional exchanges with as many + before them.
 */
static void print_word(const struct proposal *prop, size_t at, char *buf,
		       size_t size)
{
	const struct transform *tr = &prop->prop_transforms[at], *other;
	const char *word = word_in(prop, tr);
	u8 level, type = tr->tr_type;

	if (is_addke(type)) {
		if (proposal_first(prop, type) == tr)
			return;
		text_append(buf, size, "-");
		for (level = TRANSFORM_ADDKE1; level <= type; level++)
			text_append(buf, size, "+");
		text_append(buf, size, "%s", word ?: "?");
		return;
	}
	text_append(buf, size, "%s%s", buf[0] ? "-" : "", word ?: "?");
	if (type != TRANSFORM_KE || proposal_first(prop, type) != tr)
		return;
	for (level = 1; level <= 7; level++) {
		other = proposal_first(prop, (u8)(TRANSFORM_ADDKE1 + level - 1));
		if (other)
			text_append(buf, size, "+%s", transform_word(other) ?: "?");
		else if (prop->prop_transforms[prop->prop_count - 1].tr_type >
			 TRANSFORM_ADDKE1 + level - 1)
			text_append(buf, size, "+");
	}
}

const char *proposal_print(const struct proposal *prop, char *buf, size_t size)
{
	bool implied = prop->prop_protocol == PROTO_IKE && prfs_implied(prop);
	size_t i;

	buf[0] = '\0';
	for (i = 0; i < prop->prop_count; i++)
		if (!implied ||
		    prop->prop_transforms[i].tr_type != TRANSFORM_PRF)
			print_word(prop, i, buf, size);
	return buf;
}

static bool first_of_type(const struct proposal *prop, size_t at)
{
	return proposal_first(prop, prop->prop_transforms[at].tr_type) ==
	       &prop->prop_transforms[at];
}

const char *proposal_describe(const struct proposal *prop, char *buf,
			      size_t size)
{
	const struct transform *tr = prop->prop_transforms;
	char name[TRANSFORM_STRLEN], type[16];
	size_t i, j;

	buf[0] = '\0';
	for (i = 0; i < prop->prop_count; i++) {
		if (!first_of_type(prop, i))
			continue;
		text_append(buf, size, "%s%s %s", i ? " " : "",
			    transform_type_name(tr[i].tr_type, type),
			    transform_name(&tr[i], name));
		for (j = i + 1; j < prop->prop_count; j++)
			if (tr[j].tr_type == tr[i].tr_type)
				text_append(buf, size, "/%s",
					    transform_name(&tr[j], name));
	}
	return buf;
}

size_t proposal_defaults(struct proposal props[PROPOSALS_MAX], u8 protocol)
{
	char buf[PROPOSAL_STRLEN], err[128], *text, *rest = buf;
	size_t count = 0;

	text_copy(buf, sizeof(buf), protocol == PROTO_IKE ? IKE_DEFAULT_TEXT :
							    ESP_DEFAULT_TEXT);
	while ((text = strsep(&rest, ",")) && count < PROPOSALS_MAX)
		if (proposal_parse(&props[count], protocol,
				   text + strspn(text, " "), NULL, err,
				   sizeof(err)))
			count++;
	return count;
}

const char *transform_type_name(u8 type, char buf[16])
{
	static const char *const names[] = {
		[TRANSFORM_ENCR] = "ENCR",
		[TRANSFORM_PRF] = "PRF",
		[TRANSFORM_INTEG] = "INTEG",
		[TRANSFORM_KE] = "KE",
		[TRANSFORM_ESN] = "ESN",
	};

	if (type < ARRAY_SIZE(names) && names[type])
		return names[type];
	if (type >= TRANSFORM_ADDKE1 && type <= TRANSFORM_ADDKE7)
		snprintf(buf, 16, "ADDKE%u", type - TRANSFORM_ADDKE1 + 1);
	else
		snprintf(buf, 16, "TYPE %u", type);
	return buf;
}

const char *transform_name(const struct transform *tr,
			   char buf[TRANSFORM_STRLEN])
{
	const struct algorithm *alg = find_named(tr);

	if (alg)
		snprintf(buf, TRANSFORM_STRLEN, "%s", alg->alg_name);
	else
		snprintf(buf, TRANSFORM_STRLEN, "%u", tr->tr_id);
	if (tr->tr_key_bits)
		text_append(buf, TRANSFORM_STRLEN, "-%u", tr->tr_key_bits);
	return buf;
}

const char *transform_word(const struct transform *tr)
{
	const struct algorithm *alg = find_named(tr);

	return alg && key_bits_match(alg, tr) ? alg->alg_word : NULL;
}

size_t encr_keymat_len(const struct transform *tr)
{
	const struct algorithm *alg = find_id(tr);

	if (!alg || tr->tr_type != TRANSFORM_ENCR || !key_bits_match(alg, tr))
		return 0;
	if (tr->tr_id == ENCR_CHACHA20_POLY1305)
		return 32 + alg->alg_salt;
	return tr->tr_key_bits ? tr->tr_key_bits / 8 + alg->alg_salt : 0;
}

size_t integ_keymat_len(u16 id)
{
	struct transform tr = { TRANSFORM_INTEG, id, 0 };
	const struct algorithm *alg = find_id(&tr);

	return alg ? alg->alg_key : 0;
}

bool esp_integ_parse(u16 *id, const char *word, char *err, size_t err_size)
{
	const struct algorithm *alg = find_word(word);
	const char *refusal;

	if (!alg)
		return refuse_unknown(word, err, err_size);
	refusal = alg->alg_type != TRANSFORM_INTEG ?
		  "is not an integrity algorithm" :
		  alg_refusal(alg, PROTO_ESP);
	if (refusal) {
		snprintf(err, err_size, "\"%s\" %s", word, refusal);
		return false;
	}
	*id = alg->alg_id;
	return true;
}

bool esp_cipher_parse(struct transform *tr, size_t *key_len, const char *word,
		      char *err, size_t err_size)
{
	const struct algorithm *alg = find_word(word);
	const char *refusal;

	if (!alg)
		return refuse_unknown(word, err, err_size);
	refusal = alg->alg_type != TRANSFORM_ENCR ? "is not a cipher" :
		  alg_refusal(alg, PROTO_ESP);
	if (refusal) {
		snprintf(err, err_size, "\"%s\" %s", word, refusal);
		return false;
	}
	*tr = (struct transform){ TRANSFORM_ENCR, alg->alg_id,
				  alg->alg_key_bits };
	*key_len = encr_keymat_len(tr);
	return true;
}
