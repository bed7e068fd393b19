// What axe-core (WCAG 2 A and AA) says of a page.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { AXE } from "./packages.mjs";

const axe = readFileSync(AXE, "utf8");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

/** What moves has come to its end, also in shadow trees. */
export async function settled(frame) {
  await frame.evaluate(() => {
    const trees = [document, ...[...document.querySelectorAll("*")].map(({ shadowRoot }) => shadowRoot).filter(Boolean)];
    const ending = (animation) => animation.effect.getComputedTiming().endTime !== Infinity;
    return Promise.all(trees.flatMap((tree) => tree.getAnimations()).filter(ending).map((animation) => animation.finished.catch(() => {})));
  });
}

/** Fails with every violation by name, place and reason; frames are judged with their page. */
export async function accessible(page, state) {
  // Colours in the middle of a change are nobody's colours.
  for (const frame of page.frames()) {
    // Nothing runs in the frame of a mail's own words, axe neither.
    if (frame.parentFrame() && (await (await frame.frameElement()).getAttribute("sandbox")) !== null) continue;
    await settled(frame);
    await frame.evaluate(axe);
  }
  const found = await page.evaluate((rules) => window.axe.run(document, { runOnly: { type: "tag", values: rules }, resultTypes: ["violations"] }), RULES);
  const words = found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target, failureSummary }) => `${target.join(" ")}: ${failureSummary}`).join("; ")}`);
  assert.deepEqual(words, [], state);
}
