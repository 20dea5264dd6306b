// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * NAT detection: each side sends hashes of the addresses as it sees them.
 */
#include <string.h>

#include "conn.h"
#include "explain.h"
#include "natt.h"
#include "wire.h"

#define NATD_LEN	20

static void natd_hash(const struct msg_header *hdr,
		      const struct ip_endpoint *ep, u8 out[NATD_LEN])
{
	u8 text[2 * MSG_SPI_LEN + 16 + 2];
	size_t alen = ip_addr_len(&ep->ep_addr);

	memcpy(text, hdr->hdr_spi_i, MSG_SPI_LEN);
	memcpy(text + MSG_SPI_LEN, hdr->hdr_spi_r, MSG_SPI_LEN);
	memcpy(text + 2 * MSG_SPI_LEN, ep->ep_addr.ip_bytes, alen);
	put_be16(text + 2 * MSG_SPI_LEN + alen, ep->ep_port);
	crypto_sha1(text, 2 * MSG_SPI_LEN + alen + 2, out);
}

void natt_emit(struct emit *em, const struct msg_header *hdr,
	       const struct core_path *path, bool force)
{
	struct ip_endpoint here = path->cp_local;
	u8 hash[NATD_LEN];

	if (force)
		here.ep_port = 0;	/* no datagram ever came from there */
	natd_hash(hdr, &here, hash);
	emit_notify(em, N_NAT_DETECTION_SOURCE_IP, hash, sizeof(hash));
	natd_hash(hdr, &path->cp_remote, hash);
	emit_notify(em, N_NAT_DETECTION_DESTINATION_IP, hash, sizeof(hash));
}

/* -1: none of that type; 0: none of them is it; 1: one is. */
static int compare(const struct message *msg, u16 type,
		   const u8 hash[NATD_LEN])
{
	int found = -1;
	unsigned int i;

	for (i = 0; i < msg->msg_n_notifies; i++) {
		const struct msg_notify_payload *mn = &msg->msg_notifies[i];

		if (mn->mn_type != type)
			continue;
		if (mn->mn_data.blob_len == NATD_LEN &&
		    !memcmp(mn->mn_data.blob_data, hash, NATD_LEN))
			return 1;
		found = 0;
	}
	return found;
}

void natt_detect(struct ike_sa *sa, const struct message *msg,
		 const struct core_path *path)
{
	const struct conf_conn *conf = &sa->sa_conn->cn_conf;
	bool force = conf->conn_encapsulation == CONF_ENCAP_UDP;
	u8 here[NATD_LEN], there[NATD_LEN];
	int source, destination;

	natd_hash(&msg->msg_hdr, &path->cp_local, here);
	natd_hash(&msg->msg_hdr, &path->cp_remote, there);
	source = compare(msg, N_NAT_DETECTION_SOURCE_IP, there);
	destination = compare(msg, N_NAT_DETECTION_DESTINATION_IP, here);
	if (source < 0 || destination < 0) {
		if (force)
			ike_sa_log(sa, CORE_WARNING,
				   "encapsulation = udp, but the peer knows no NAT traversal");
		return;
	}
	sa->sa_natt = true;
	sa->sa_nat_remote = !source;
	sa->sa_nat_local = !destination;
	sa->sa_encap = (force || !source || !destination) &&
		conf_protocol(conf) != PROTO_AH;
}

const char *natt_refusal(const struct ike_sa *sa)
{
	if (conf_protocol(&sa->sa_conn->cn_conf) != PROTO_AH ||
	    (!sa->sa_nat_local && !sa->sa_nat_remote))
		return NULL;
	explain_blame(sa->sa_conn, sa->sa_initiator, CONF_AH);
	if (sa->sa_nat_local)
		return "AH covers addresses, and a NAT in front of us changes ours: use esp";
	return "AH covers addresses, and a NAT in front of the peer changes its: use esp";
}

const char *natt_name(const struct ike_sa *sa)
{
	if (sa->sa_nat_local)
		return sa->sa_nat_remote ? "both" : "local";
	return sa->sa_nat_remote ? "remote" : "none";
}
