// What a batch cost, in words.

import assert from "node:assert/strict";
import { test } from "node:test";
import { costWords, dollars } from "../../../../web/static/cost.js";

test("dollars have cents, or two digits that count", () => {
  const said = [0, 12.3, 1, 0.5, 0.0041, 0.00012345, 0.0000001].map(dollars);
  assert.deepEqual(said, ["$0", "$12.30", "$1.00", "$0.50", "$0.0041", "$0.00012", "less than $0.000001"]);
});

test("what these cost is said, and by the thousand where they are not a thousand", () => {
  const cost = { usd: 0.004, images: 1000, thousand_images_usd: 0.004 };
  assert.equal(costWords(cost), "These 1,000 images cost $0.0040");
  assert.equal(costWords({ ...cost, images: 1 }), "This image cost $0.0040 · $0.0040 per 1,000");
});
