import type { Judge } from "./judge.ts"
import type { StreamLedger } from "./ledger.ts"
import { CONSUMERS } from "./process.ts"

/**
 * Checks that on reliable streams everything has come that wasn't withdrawn.
 *
 * @param gone Incarnations that are over: nothing comes there any more.
 */
export function checkPromises(judge: Judge, ledgers: Iterable<StreamLedger>, gone: ReadonlySet<string>): void {
  for (const ledger of ledgers) {
    if (ledger.isCut || gone.has(ledger.to)) continue
    const mayDrop = !ledger.isReliable && (ledger.wasPaused || ledger.type !== CONSUMERS.handler)
    judge.check(
      mayDrop || ledger.broken === 0,
      "verdict",
      () => `${ledger.name}: ${ledger.broken} messages with a receipt never came`,
    )
    const { acknowledged } = ledger.stream.account
    judge.check(
      mayDrop || ledger.delivered >= acknowledged,
      "acknowledged",
      () => `${ledger.name}: ${acknowledged} acknowledged, ${ledger.delivered} delivered`,
    )
    if (!ledger.isReliable) continue
    judge.check(
      ledger.missing === 0,
      "convergence",
      () => `${ledger.name}: ${ledger.missing} of ${ledger.accepted} messages never came`,
    )
  }
}
