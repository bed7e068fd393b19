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

/**
 * What is smaller than 24 × 24 px (WCAG 2.2 2.5.8) to a finger. axe-core forgives a small target as long as its neighbours
 * are far enough away, which depends on what else stands on the page at that moment; nothing here is forgiven but words of a sentence.
 */
async function smallTargets(frame) {
  return frame.evaluate(() => {
    const trees = [document, ...[...document.querySelectorAll("*")].map(({ shadowRoot }) => shadowRoot).filter(Boolean)];
    const all = trees.flatMap((tree) => [...tree.querySelectorAll("button, a[href], summary, select, input, textarea, [role=button], [tabindex='0']")]);
    const seen = (element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: true });
    const inSentence = (element) => getComputedStyle(element).display === "inline";
    // What only readers of the page's structure get to, and what a label as large as a button stands for.
    const covered = (element) => element.closest(".sr-only") || (element.labels?.[0] && element.labels[0].getBoundingClientRect().height >= 24);
    return all.filter((element) => seen(element) && !inSentence(element) && !covered(element)).flatMap((element) => {
      const { width, height } = element.getBoundingClientRect();
      return width > 1 && (width < 23.9 || height < 23.9) ? [`${element.outerHTML.slice(0, 120)}: ${width.toFixed(1)} × ${height.toFixed(1)}`] : [];
    });
  });
}

/** Fails with every violation by name, place and reason; frames are judged with their page. */
export async function accessible(page, state) {
  // Colours in the middle of a change are nobody's colours.
  const frames = [];
  for (const frame of page.frames()) {
    // Nothing runs in the frame of a mail's own words, axe neither.
    if (frame.parentFrame() && (await (await frame.frameElement()).getAttribute("sandbox")) !== null) continue;
    await settled(frame);
    await frame.evaluate(axe);
    frames.push(frame);
  }
  const found = await page.evaluate((rules) => window.axe.run(document, { runOnly: { type: "tag", values: rules }, resultTypes: ["violations"] }), RULES);
  const words = found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target, failureSummary }) => `${target.join(" ")}: ${failureSummary}`).join("; ")}`);
  assert.deepEqual(words, [], state);
  const small = await Promise.all(frames.map(smallTargets));
  assert.deepEqual(small.flat(), [], `${state}: large enough to be hit`);
}
