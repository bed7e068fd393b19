// A name server on loopback for the zones of a test: A, MX and TXT over UDP; every other name does not exist.
import dgram from "node:dgram";

const KINDS = { 1: "A", 15: "MX", 16: "TXT" };
const NO_SUCH_NAME = 3;

export class NameServer {
  static async start(records) {
    const server = new NameServer();
    server.records = records;
    server.socket = dgram.createSocket("udp4", (query, peer) => {
      server.socket.send(server.answer(query), peer.port, peer.address);
    });
    await new Promise((resolve) => server.socket.bind(0, "127.0.0.1", resolve));
    server.port = server.socket.address().port;
    return server;
  }

  answer(query) {
    const labels = [];
    let at = 12;
    for (; query[at]; at += query[at] + 1) labels.push(query.toString("latin1", at + 1, at + 1 + query[at]));
    const question = query.subarray(12, at + 5);
    const number = query.readUInt16BE(at + 1);
    const known = this.records[labels.join(".").toLowerCase()];
    const values = known?.[KINDS[number]] ?? [];
    const head = Buffer.alloc(12);
    query.copy(head, 0, 0, 2);
    head.writeUInt16BE(0x8180 | (known ? 0 : NO_SUCH_NAME), 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(values.length, 6);
    return Buffer.concat([head, question, ...values.map((value) => record(number, value))]);
  }

  close() { this.socket.close(); }
}

function record(number, value) {
  const data = octets(KINDS[number], value);
  const head = Buffer.alloc(12);
  head.writeUInt16BE(0xc00c, 0);
  head.writeUInt16BE(number, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt32BE(60, 6);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

function octets(kind, value) {
  if (kind === "A") return Buffer.from(value.split(".").map(Number));
  if (kind === "MX") return Buffer.concat([Buffer.from([0, 10]), ...value.split(".").map(word), Buffer.from([0])]);
  return Buffer.concat(value.match(/.{1,255}/gs).map(word));
}

function word(text) { return Buffer.concat([Buffer.from([text.length]), Buffer.from(text, "latin1")]); }
