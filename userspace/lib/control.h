/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control socket of cygnetd: a unix stream socket, one JSON object (RFC
 * 8259, ASCII) a line of at most JSON_LINE_MAX bytes and JSON_DEPTH_MAX
 * levels. The engine serves two of them: <dir>/control (0600) takes every
 * command, <dir>/status (0660) only "status".
 *
 * The client sends one request a connection:
 *
 *	{"v":1,"cmd":"up","name":"office"}
 *
 * and reads lines until one has "done":
 *
 *	{"v":1,"event":"log","step":"propose","text":"AES-256-GCM, x25519",
 *	 "ms":41}
 *	{"v":1,"event":"log","step":"identify","text":"peer is …","ms":22}
 *	{"v":1,"done":true,"ok":true}
 *	{"v":1,"done":true,"ok":false,"error":"the peer refused …"}
 *
 * "step" (a short word for the first column) and "ms" are optional. A client
 * that goes away stops the lines, not the work. Unknown members are ignored;
 * an unknown "v" or "cmd" is answered with done, ok false and an error.
 *
 * Commands (all but reload and status need "name"):
 *	up	initiate and wait for the result; ok at once if it is up
 *	down	delete the SAs at the peer, take device, address, routes away
 *	rekey	replace the child SAs, wait for the result
 *	rekey-ike replace the IKE SA, wait for the result
 *	reload	read the configuration again; one with mistakes changes nothing
 *	status	no lines but the last, which carries "connections"; with
 *		"name" only that one:
 *
 *	{"v":1,"done":true,"ok":true,"pid":17,"connections":[{
 *		"name":"office",
 *		"state":"up",		down | trap | connecting | up | failed
 *		"error":"…",		why the last attempt failed, if it did
 *		"trouble":{"text":"…", "details":["offered: …"], "keys":["esp"]},
 *					the same with the settings to look at
 *		"peer-trouble":{…},	of the peer's last attempt
 *		"local":"192.0.2.1:4500",
 *		"remote":"203.0.113.7:4500",
 *		"local-id":"192.0.2.1", "remote-id":"gw.example.org",
 *		"nat":"none",		none | local | remote | both
 *		"device":"cyg0", "policy":3,
 *		"ike":{"role":"initiator", "spi-i":"0123456789abcdef",
 *		       "spi-r":"…", "state":"established",
 *		       "proposal":"ENCR AES-GCM-16-256 PRF …",
 *		       "post-quantum":"yes"|"no"|"refused by the peer",
 *		       "ppk":"yes"|"refused by the peer", "age":41},
 *		"children":[{"spi-in":"0xc0000001","spi-out":"0xc1000002",
 *			"state":"installed", "proposal":"ENCR …",
 *			"selectors":["10.1.0.0/16 <-> 10.2.0.0/16"],
 *			"age":41,"rekey-in":3421}]}]}
 *
 * Ages and times to come are seconds. Members without a value are left out.
 * Text that came from a peer passes json_text().
 */
#ifndef CYGNET_LIB_CONTROL_H
#define CYGNET_LIB_CONTROL_H

#include "json.h"

#define CONTROL_VERSION		1
#define CONTROL_DIR_DEFAULT	"/run/cygnet"
#define CONTROL_SOCKET		"control"
#define STATUS_SOCKET		"status"
#define CONTROL_SOCKET_MODE	0600
#define STATUS_SOCKET_MODE	0660

#define CONTROL_CMD_UP		"up"
#define CONTROL_CMD_DOWN	"down"
#define CONTROL_CMD_REKEY	"rekey"
#define CONTROL_CMD_REKEY_IKE	"rekey-ike"
#define CONTROL_CMD_STATUS	"status"
#define CONTROL_CMD_RELOAD	"reload"

/* Server: lines to send, as strings to free(); NULL without memory. */
char *control_log_line(const char *step, const char *text, long long ms);
/* error NULL means ok; takes the reference to more (may be NULL). */
char *control_done_line(const char *error, json_t *more);

/*
 * Client: sends the command to dir's control socket (status: status socket,
 * then control) and gives each event line to event(). Returns the final
 * object (new reference), or NULL with the reason in err; errno is then
 * ENOENT or ECONNREFUSED if no daemon runs.
 */
typedef void control_event_fn(const json_t *line, void *arg);
json_t *control_call(const char *dir, const char *cmd, const char *name,
		     control_event_fn *event, void *arg, char *err,
		     size_t err_size);

#endif
