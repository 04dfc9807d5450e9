// Uses the IDE of a running server: node ide.mjs http://127.0.0.1:8000/graphql screenshot.png [headers JSON]
// Fails when the answer does not appear, a request leaves the origin, or the console shows an error.
// CHROMIUM names the browser.
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const [url, screenshot, headers] = process.argv.slice(2);
if (!screenshot) {
  console.error("usage: node ide.mjs URL SCREENSHOT [HEADERS]");
  process.exit(2);
}

// Playwright gives the browser a new, empty user data directory.
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});

try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  const origin = new URL(url).origin;
  const requested = [];
  const complaints = [];
  page.on("request", (request) => requested.push(request.url()));
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));

  const fill = async (editor, text) => {
    await page.locator(`${editor} .CodeMirror`).click();
    await page.keyboard.press("Control+A");
    await page.keyboard.insertText(text);
    // GraphiQL learns of an edit, and of the operation's new name, a moment later.
    await page.waitForTimeout(500);
  };

  await page.goto(url, { waitUntil: "networkidle" });
  if (headers) {
    await fill(".graphiql-editor-tool .graphiql-editor:not(.hidden)", headers);
    // Without its token, the page's own first introspection was refused.
    complaints.length = 0;
    await page.getByLabel("Re-fetch GraphQL schema").click();
    await page.waitForLoadState("networkidle");
  }
  await fill(".graphiql-query-editor", "{ __typename }");
  await page.getByLabel("Execute query (Ctrl-Enter)").click();
  await page.locator(".result-window", { hasText: '"__typename": "Query"' }).waitFor({ timeout: 10_000 });
  await page.getByLabel("Show Documentation Explorer").click();
  await page.locator(".graphiql-doc-explorer", { hasText: "Root Types" }).waitFor({ timeout: 10_000 });
  await page.screenshot({ path: screenshot });

  const foreign = requested.filter((address) => !address.startsWith("data:") && new URL(address).origin !== origin);
  assert.deepEqual(foreign, [], "requests left the origin");
  assert.deepEqual(complaints, [], "the console shows errors");
  console.log(`the IDE answers; ${requested.length} requests, all to ${origin}`);
} finally {
  await browser.close();
}
