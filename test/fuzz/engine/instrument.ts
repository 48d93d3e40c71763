import ts from 'typescript';

/** What instrumented code calls. `run-script.ts` sets it as `globalThis.fuzzCoverage` before the code is loaded. */
export interface FuzzCoverage {
  /** A counter for each branch; libFuzzer reads them. */
  readonly counters: Uint8Array;
  /** Compares as the operator does, and tells libFuzzer the operands, which it then tries as input. */
  compare(left: unknown, operator: string, right: unknown): boolean;
}

const COMPARISONS: ReadonlySet<ts.SyntaxKind> = new Set([
  ts.SyntaxKind.EqualsEqualsEqualsToken,
  ts.SyntaxKind.ExclamationEqualsEqualsToken,
  ts.SyntaxKind.LessThanToken,
  ts.SyntaxKind.LessThanEqualsToken,
  ts.SyntaxKind.GreaterThanToken,
  ts.SyntaxKind.GreaterThanEqualsToken,
]);
const LOGIC: ReadonlySet<ts.SyntaxKind> = new Set([
  ts.SyntaxKind.AmpersandAmpersandToken,
  ts.SyntaxKind.BarBarToken,
  ts.SyntaxKind.QuestionQuestionToken,
]);

/**
 * Inserts a counter at each branch of a JavaScript module: functions, statements that depend on a condition, cases, the
 * parts of conditional and logical expressions. The lines of the module stay where they are.
 * @param nextCounter returns the index of a counter that no other place has
 */
export function instrument(source: string, nextCounter: () => number): string {
  const file = ts.createSourceFile('module.js', source, ts.ScriptTarget.ES2022, true, ts.ScriptKind.JS);
  const edits = new Edits();
  const count = (): string => `fuzzCoverage.counters[${nextCounter()}]++`;
  const visit = (node: ts.Node): void => {
    for (const place of branches(node)) {
      if (ts.isBlock(place)) edits.insert(place.getStart() + 1, `${count()};`);
      else if (ts.isExpression(place)) edits.wrap(place, `(${count()},(`, '))');
      else edits.wrap(place, `{${count()};`, '}');
    }
    if (ts.isCaseOrDefaultClause(node)) edits.insert(colonOf(node, source), `${count()};`);
    if (ts.isBinaryExpression(node) && COMPARISONS.has(node.operatorToken.kind)) {
      edits.insert(node.left.getStart(), 'fuzzCoverage.compare(');
      edits.replace(node.operatorToken, `,'${node.operatorToken.getText()}',`);
      edits.insert(node.right.getEnd(), ')', true);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return edits.apply(source);
}

/** Lists the parts of a node that run only on a condition. */
function branches(node: ts.Node): readonly ts.Node[] {
  if (ts.isFunctionLike(node) && 'body' in node) return node.body === undefined ? [] : [node.body];
  if (ts.isIfStatement(node)) return [node.thenStatement, node.elseStatement].filter((part) => part !== undefined);
  if (ts.isIterationStatement(node, false)) return [node.statement];
  if (ts.isConditionalExpression(node)) return [node.whenTrue, node.whenFalse];
  if (ts.isBinaryExpression(node) && LOGIC.has(node.operatorToken.kind)) return [node.right];
  return ts.isCatchClause(node) ? [node.block] : [];
}

function colonOf(clause: ts.CaseOrDefaultClause, source: string): number {
  const from = ts.isCaseClause(clause) ? clause.expression.getEnd() : clause.getStart();
  return source.indexOf(':', from) + 1;
}

/** Insertions into a text. At one place the outer node's text comes first before it, and last after it. */
class Edits {
  readonly #edits: { at: number; until: number; text: string; order: number }[] = [];

  /** @param closes the text ends what an earlier insertion began */
  insert(at: number, text: string, closes = false): void {
    this.#edits.push({ at, until: at, text, order: closes ? -this.#edits.length : this.#edits.length });
  }

  wrap(node: ts.Node, before: string, after: string): void {
    this.insert(node.getStart(), before);
    this.insert(node.getEnd(), after, true);
  }

  replace(node: ts.Node, text: string): void {
    this.#edits.push({ at: node.getStart(), until: node.getEnd(), text, order: this.#edits.length });
  }

  apply(source: string): string {
    const sorted = this.#edits.toSorted((a, b) => a.at - b.at || a.order - b.order);
    let done = 0;
    let result = '';
    for (const { at, until, text } of sorted) {
      result += source.slice(done, at) + text;
      done = until;
    }
    return result + source.slice(done);
  }
}
