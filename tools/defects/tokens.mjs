// The tokens of a source or of a piece of one: the same code gives the same tokens, however it is laid out.
import ts from "typescript"

/**
 * @typedef {object} Token
 * @property {string} text
 * @property {number} start
 * @property {number} end
 */

/**
 * The tokens of a whole source, by its syntax tree.
 * @param {ts.SourceFile} source
 * @returns {Token[]}
 */
export function tokensOf(source) {
  /** @type {Token[]} */
  const tokens = []
  visit(source)
  return normalized(tokens)

  /** @param {ts.Node} node */
  function visit(node) {
    if (node.kind >= ts.SyntaxKind.FirstJSDocNode && node.kind <= ts.SyntaxKind.LastJSDocNode) return
    const children = node.getChildren(source)
    for (const child of children) visit(child)
    if (children.length > 0) return
    const [start, end] = [node.getStart(source), node.getEnd()]
    if (end > start) tokens.push({ text: source.text.slice(start, end), start, end })
  }
}

/**
 * The tokens of a piece of source, which may begin and end in the middle of a statement, but not of a token.
 * @param {string} text
 * @returns {Token[]}
 */
export function tokensOfPiece(text) {
  const scanner = ts.createScanner(ts.ScriptTarget.Latest, true, ts.LanguageVariant.Standard, text)
  /** @type {Token[]} */
  const tokens = []
  // How many braces are open inside each open `${`.
  /** @type {number[]} */
  const templates = []
  for (let kind = scanner.scan(); kind !== ts.SyntaxKind.EndOfFileToken; kind = scanner.scan()) {
    if (isSlash(kind) && !isOperand(tokens.at(-1)?.text)) kind = scanner.reScanSlashToken()
    if (kind === ts.SyntaxKind.OpenBraceToken && templates.length > 0) templates.push(templates.pop() + 1)
    if (kind === ts.SyntaxKind.CloseBraceToken && templates.length > 0) {
      const open = templates.pop()
      if (open > 0) templates.push(open - 1)
      else kind = scanner.reScanTemplateToken(false)
    }
    if (kind === ts.SyntaxKind.TemplateHead || kind === ts.SyntaxKind.TemplateMiddle) templates.push(0)
    tokens.push({ text: scanner.getTokenText(), start: scanner.getTokenStart(), end: scanner.getTokenEnd() })
  }
  return normalized(tokens)
}

/**
 * Leaves out the commas that a formatter adds where it breaks a line, and splits `>>` in two: only a parser knows its
 * meaning.
 * @param {Token[]} tokens
 */
function normalized(tokens) {
  return tokens
    .filter(({ text }, i) => text !== "," || !isClosing(tokens[i + 1]?.text))
    .flatMap((token) => {
      if (!/^>.+$/.test(token.text)) return [token]
      return Array.from(token.text, (text, i) => ({ text, start: token.start + i, end: token.start + i + 1 }))
    })
}

function isSlash(kind) {
  return kind === ts.SyntaxKind.SlashToken || kind === ts.SyntaxKind.SlashEqualsToken
}

/** Whether a slash after it means division. */
function isOperand(text = "") {
  return /^(?:[\w$#]+|["'`].*|[)\]}])$/s.test(text) && !/^(?:return|typeof|case|in|of|void|await|yield)$/.test(text)
}

function isClosing(text) {
  return text === ")" || text === "]" || text === "}"
}
