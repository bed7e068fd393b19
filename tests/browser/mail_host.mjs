// The mail host of the people: takes what replyd sends them over SMTP, and posts what they answer.
import { generateKeyPairSync } from "node:crypto";
import { SMTPServer, nodemailer, readMail } from "./packages.mjs";
import { until } from "./harness.mjs";

export class MailHost {
  static async start() {
    const host = new MailHost();
    host.came = [];
    host.refusal = null;
    host.server = new SMTPServer({
      authOptional: true,
      disabledCommands: ["AUTH", "STARTTLS"],
      disableReverseLookup: true,
      onData(stream, session, done) {
        const chunks = [];
        stream.on("data", (chunk) => chunks.push(chunk));
        stream.on("end", async () => {
          if (host.refusal) return done(Object.assign(new Error(host.refusal.text), { responseCode: host.refusal.code }));
          const raw = Buffer.concat(chunks);
          const mail = { raw: raw.toString("latin1"), ...(await readMail(raw)) };
          for (const to of session.envelope.rcptTo) host.came.push({ ...mail, mailbox: to.address.toLowerCase() });
          done();
        });
      },
    });
    await new Promise((resolve) => host.server.listen(0, "127.0.0.1", resolve));
    host.port = host.server.server.address().port;
    return host;
  }

  /** Every mail from now on is answered so; `null` takes them again. */
  refuse(code, text) { this.refusal = code ? { code, text } : null; }

  of(address) { return this.came.filter((mail) => mail.mailbox === address); }

  /** Mail number `count` to an address, once it is there. */
  next(address, count = 1) { return until(`mail ${count} to ${address}`, () => this.of(address)[count - 1]); }

  close() { return new Promise((resolve) => this.server.close(resolve)); }
}

export function newKey() {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return {
    pem: privateKey.export({ type: "pkcs8", format: "pem" }),
    record: `v=DKIM1; k=rsa; p=${publicKey.export({ type: "spki", format: "der" }).toString("base64")}`,
  };
}

export async function post({ port, from, answering, text, key }) {
  const domain = from.replace(/.*@|>.*/g, "");
  const to = answering.replyTo?.[0]?.address ?? answering.from.address;
  const transport = nodemailer.createTransport({
    host: "127.0.0.1", port, ignoreTLS: true,
    dkim: key ? { domainName: domain, keySelector: "s1", privateKey: key.pem } : undefined,
  });
  return transport.sendMail({
    from, to,
    envelope: { from: from.replace(/.*<|>.*/g, ""), to },
    subject: answering.subject.startsWith("Re:") ? answering.subject : `Re: ${answering.subject}`,
    inReplyTo: answering.messageId,
    references: [answering.references, answering.messageId].filter(Boolean).join(" "),
    text: `${text}\n\nOn Fri, 20 Nov 2026 at 10:00, ${answering.from.name} <${answering.from.address}> wrote:\n${(answering.text ?? "").replace(/^/gm, "> ")}\n`,
  });
}
