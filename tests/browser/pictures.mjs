// The pictures of the documentation: taken where a story comes by what they show, if somebody asks for them.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { settled } from "./access.mjs";

const folder = process.env.BROWSER_PICTURES;

/** WebP, for it is a third of PNG's size. */
export async function picture(page, name) {
  if (!folder) return;
  for (const frame of page.frames()) await settled(frame);
  const session = await page.context().newCDPSession(page);
  const { data } = await session.send("Page.captureScreenshot", { format: "webp", quality: 82 });
  await session.detach();
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${name}.webp`), Buffer.from(data, "base64"));
}
