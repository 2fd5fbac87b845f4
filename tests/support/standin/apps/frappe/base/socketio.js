// Copyright (c) 2026, The lockstep.deploy authors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
// Realtime server of the stand-in: binds TCP only and answers the first step of the protocol.
const fs = require("fs");
const http = require("http");
const path = require("path");

const config = JSON.parse(fs.readFileSync(path.resolve(__dirname, "../../sites/common_site_config.json"), "utf8"));
const port = Number(process.env.FRAPPE_SOCKETIO_PORT || config.socketio_port || 9000);

http.createServer((request, response) => {
	if (!request.url.startsWith("/socket.io")) {
		response.writeHead(404).end();
		return;
	}
	const answer = { sid: Math.random().toString(36).slice(2), upgrades: ["websocket"], pingInterval: 25000, pingTimeout: 20000 };
	response.writeHead(200, { "Content-Type": "text/plain; charset=UTF-8" });
	response.end("0" + JSON.stringify(answer));
}).listen(port, () => console.log("Realtime service listening on: ", port));
