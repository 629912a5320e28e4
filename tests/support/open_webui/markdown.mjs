// Reads Markdown as Open WebUI does; each line of the input is a text in JSON, each of the output how it is read.

import { createInterface } from "node:readline";
import { marked } from "marked";
import citation from "./marked/citation-extension.ts";
import colonFence from "./marked/colon-fence-extension.ts";
import base from "./marked/extension.ts";
import footnote from "./marked/footnote-extension.ts";
import katex from "./marked/katex-extension.ts";
import { mentionExtension } from "./marked/mention-extension.ts";
import { disableSingleTilde } from "./marked/strikethrough-extension.ts";
import { getCodeBlockContents, processResponseContent, replaceTokens } from "./utils.ts";

// The order is that of Markdown.svelte.
const options = { throwOnError: false };
for (const extension of [katex, base, citation, footnote, colonFence]) marked.use(extension(options));
marked.use(disableSingleTilde);
marked.use({ breaks: true });
marked.use({ extensions: ["@", "#", "$"].map((triggerChar) => mentionExtension({ triggerChar })) });

const ACTIVE = new Set([
  "link", "image", "html", "iframe", "details", "mention", "colonFence", "footnote", "underline", "def",
]);

function walk(tokens, read) {
  for (const token of tokens) {
    if (ACTIVE.has(token.type)) read.active.push(`${token.type}: ${token.raw}`);
    if (token.type === "citation") read.citations.push(token.raw);
    if (/Katex/.test(token.type)) read.formulas.push(token.text ?? "");
    if (token.type === "code" && token.codeBlockStyle !== "indented") read.languages.push(token.lang ?? "");
    if (token.type === "blockquote" && /^\[!/.test(token.text)) walk(marked.lexer(token.text), read);
    for (const cell of [...(token.header ?? []), ...(token.rows ?? []).flat()]) walk(cell.tokens, read);
    walk(token.items ?? [], read);
    walk(token.tokens ?? [], read);
  }
}

createInterface({ input: process.stdin }).on("line", (line) => {
  const text = JSON.parse(line);
  const read = { active: [], citations: [], formulas: [], languages: [], artifacts: [] };
  walk(marked.lexer(processResponseContent(replaceTokens(text, "MODEL", "USER"))), read);
  const { codeBlocks, htmlGroups } = getCodeBlockContents(text);
  for (const group of htmlGroups) read.artifacts.push(JSON.stringify(group));
  for (const { lang, code } of codeBlocks)
    if (lang === "svg" || (lang === "xml" && code.includes("<svg"))) read.artifacts.push(code);
  console.log(JSON.stringify(read));
});
