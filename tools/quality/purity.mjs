// Finds code in pure sources that may differ between runs or engines: globals that aren't on the list, functions of
// Math whose rounding isn't fixed. And private accessors: each use of one is a call into V8's runtime until the code that
// uses it is optimized, 23 ns instead of 6.
import { readdirSync } from "node:fs"
import { join } from "node:path"
import ts from "typescript"
import { GLOBALS, IMPURE, INSTEAD, MATH, MEMBERS, PURE } from "./architecture.mjs"

/** Returns how many files of `root` were read, and the violations as `file:line:column: what`. */
export function checkPurity(root) {
  const files = PURE.flatMap((folder) => sourcesIn(root, folder)).filter((file) => !IMPURE.includes(file))
  // Loads no library and no imports: a name that these files neither declare nor import is a global.
  const options = {
    noLib: true,
    noResolve: true,
    types: [],
    allowImportingTsExtensions: true,
    target: ts.ScriptTarget.ES2023,
  }
  const program = ts.createProgram(
    files.map((file) => join(root, file)),
    options,
  )
  const checker = program.getTypeChecker()
  const violations = files.flatMap((file) => {
    const source = program.getSourceFile(join(root, file))
    const found = []
    const report = (node, text) => {
      const { line, character } = source.getLineAndCharacterOfPosition(node.getStart(source))
      found.push(`${file}:${line + 1}:${character + 1}: ${text}`)
    }
    visit(source, checker, report)
    return found
  })
  return { files: files.length, violations }
}

function visit(node, checker, report) {
  if (ts.isTypeNode(node) && !ts.isExpressionWithTypeArguments(node)) return
  if (ts.isIdentifier(node) && isGlobalValue(node, checker)) checkGlobal(node, report)
  if (ts.isMetaProperty(node) && node.keywordToken === ts.SyntaxKind.ImportKeyword)
    report(node, "import.meta differs between runtimes")
  if (
    ts.isBinaryExpression(node) &&
    isPower(node.operatorToken.kind) &&
    ![node.left, node.right].every((side) => isExact(side, checker))
  )
    report(node, "** rounds differently between engines, unless of two literals or of bigints")
  if (ts.isAccessor(node) && ts.isPrivateIdentifier(node.name))
    report(node, "a private accessor is slow in code that isn't optimized: make it a method")
  ts.forEachChild(node, (child) => visit(child, checker, report))
}

function checkGlobal(node, report) {
  const name = node.text
  if (!GLOBALS.has(name))
    return report(node, `${name} is not allowed in a pure source${INSTEAD[name] ? `: ${INSTEAD[name]}` : ""}`)
  if (name !== "Math" && !MEMBERS.has(name)) return undefined
  const member = memberOf(node)
  if (name === "Math") {
    if (member === undefined) return report(node, "Math is used by its members only, named in place")
    if (member === "random")
      return report(node, "Math.random is not allowed in a pure source: random numbers are an argument")
    if (!MATH.has(member)) return report(node, `Math.${member} rounds differently between engines`)
  } else if (member !== undefined && MEMBERS.get(name).has(member))
    return report(node, `${name}.${member} is not allowed in a pure source`)
  return undefined
}

/** The `b` of `a.b` or `a["b"]`. */
function memberOf(node) {
  const { parent } = node
  if (ts.isPropertyAccessExpression(parent) && parent.expression === node) return parent.name.text
  if (
    ts.isElementAccessExpression(parent) &&
    parent.expression === node &&
    ts.isStringLiteralLike(parent.argumentExpression)
  )
    return parent.argumentExpression.text
  return undefined
}

/**
 * Whether this is the use of a value without a declaration in scope. Names of members, labels and declarations aren't
 * uses.
 */
function isGlobalValue(node, checker) {
  const { parent } = node
  if (ts.isShorthandPropertyAssignment(parent) && parent.name === node)
    return checker.getShorthandAssignmentValueSymbol(parent) === undefined
  if (!isExpression(node)) return false
  const symbol = checker.getSymbolAtLocation(node)
  return symbol?.declarations === undefined || symbol.declarations.length === 0
}

function isExpression(node) {
  const { parent } = node
  if (ts.isPropertyAccessExpression(parent)) return parent.expression === node
  if (
    ts.isQualifiedName(parent) ||
    ts.isImportSpecifier(parent) ||
    ts.isExportSpecifier(parent) ||
    ts.isLabeledStatement(parent) ||
    ts.isBreakOrContinueStatement(parent)
  )
    return false
  if (
    ts.isImportClause(parent) ||
    ts.isNamespaceImport(parent) ||
    ts.isMetaProperty(parent) ||
    ts.isJSDocNameReference?.(parent)
  )
    return false
  if (ts.isBindingElement(parent)) return parent.initializer === node
  return parent.name !== node
}

function isPower(kind) {
  return kind === ts.SyntaxKind.AsteriskAsteriskToken || kind === ts.SyntaxKind.AsteriskAsteriskEqualsToken
}

function isExact(node, checker) {
  return ts.isNumericLiteral(node) || (checker.getTypeAtLocation(node).flags & ts.TypeFlags.BigIntLike) !== 0
}

function sourcesIn(root, folder) {
  try {
    return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => /\.[cm]?tsx?$/.test(name) && !name.endsWith(".d.ts"))
      .map((name) => `${folder}${name.replaceAll("\\", "/")}`)
      .toSorted()
  } catch (error) {
    if (error.code === "ENOENT")
      throw new Error(`there is no ${folder}: tools/quality/architecture.mjs names it as pure`, { cause: error })
    throw error
  }
}
