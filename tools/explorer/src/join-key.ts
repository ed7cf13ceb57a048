/** What an incarnation holds, as text: two that read the same behave alike. Instants count by how far away they are, identities by where they come first. */
import type { Association } from "../../../packages/endpoint/src/path/association.ts"
import type { PendingJoin } from "../../../packages/endpoint/src/join/joins.ts"
import type { PeerState } from "../../../packages/endpoint/src/peer/peer-state.ts"
import { short } from "./datagram-name.ts"
import { fieldsOf, type Incarnation, textOf } from "./incarnation.ts"

/** No deadline lies further back. */
const PAST_MS_MAX = 5_000

interface PeerFields {
  readonly pings: ReadonlySet<{ readonly counter: number }>
  readonly isEchoOwed: boolean
  readonly isGoodbyeOwed: boolean
  readonly probedMs: number
  readonly goodbyeEndMs: number
  readonly feedbackDueMs: number
  readonly unanswered: number
  readonly goodbye: { readonly dueMs: number }
  readonly retiring: readonly Association[]
}

/** Identities and tokens get numbers in the order in which they are first named. */
export function renamed(text: string, names: Map<string, number> = new Map()): string {
  return text.replaceAll(/#[0-9a-f]+/g, (name) => {
    let number = names.get(name)
    if (number === undefined) names.set(name, (number = names.size))
    return `#${number}`
  })
}

export function describeIncarnation(it: Incarnation, nowMs: number): string {
  const at = (ms: number): string => (Number.isFinite(ms) ? `@${Math.max(ms - nowMs, -PAST_MS_MAX)}` : "-")
  const { protocol } = it
  const { slots, joins, hinted, byAddress, due } = fieldsOf<{
    slots: object
    joins: { halfOpenDue: { dueMs: number } }
    hinted: ReadonlyMap<number, number>
    byAddress: ReadonlyMap<number, PeerState>
    due: { count: number }
  }>(protocol)
  const { halfOpen } = fieldsOf<{ halfOpen: Iterable<{ readonly association: Association }> }>(joins)
  const peers: PeerState[] = [...protocol.peers.values()]
  const described: string[] = []
  const placeOf = (peer: PeerState): number => {
    if (!peers.includes(peer)) peers.push(peer)
    return peers.indexOf(peer)
  }
  const rows = it.owners.map((owner) => {
    if (owner.kind === "join") return describeJoin(owner.pending, at)
    return `${placeOf(owner.peer)}:${describeAssociation(owner.association, at)}`
  })
  for (const peer of byAddress.values()) placeOf(peer)
  for (const peer of peers)
    described.push(`${protocol.peers.get(peer.unique, peer.publicKey) === peer ? "in" : "out"} ${describePeer(peer, at)}`)
  return [
    `${it.side}${it.number}${it.isJoining ? "j" : ""}${it.isWilling ? "w" : ""}`,
    ...rows,
    ...described,
    `at ${[...byAddress].map(([address, peer]) => `${address}:${placeOf(peer)}`).join()}`,
    `half ${[...halfOpen].map(({ association }) => association.slot).join()} ${at(joins.halfOpenDue.dueMs)}`,
    `hinted ${[...hinted.values()].map((ms) => at(Math.max(ms, nowMs - 1_000))).join()}`,
    `used ${fieldsOf<{ slots: number[] }>(slots).slots.length} due ${due.count}`,
  ].join(";")
}

function describeJoin({ joiner, calls }: PendingJoin, at: (ms: number) => string): string {
  const candidates = joiner.candidates.map((candidate) => {
    const { retryMs, tokenTries } = fieldsOf<{ retryMs: number; tokenTries: number }>(candidate)
    const { challenge, challenger, nextMs } = candidate
    const told = challenger && [textOf(challenger.unique), textOf(challenger.token), textOf(challenger.session)].map(short).join("/")
    return `${at(nextMs)} ${retryMs} ${challenge === undefined ? "-" : tokenTries} ${told} ${challenger?.order}`
  })
  const deadlines = [...calls].map(({ deadlineMs }) => at(deadlineMs)).join("")
  return `join ${joiner.slot} ${joiner.isProbe} ${joiner.attempt} ${deadlines} ${candidates.join()}`
}

function describeAssociation(association: Association, at: (ms: number) => string): string {
  const { slot, remoteSlot, isOurs, order, isConfirmed, retiresMs, lastReceivedMs, lastSentMs, createdMs, nextCounter, sent } = association
  const { replay } = association
  const taken: number[] = []
  for (let counter = 1; counter <= replay.highest; counter++) if (replay.check(counter) !== undefined) taken.push(counter)
  const flags = `${isOurs ? "ours" : "theirs"} ${order}${isConfirmed ? "" : " unconfirmed"}`
  const instants = [retiresMs, lastReceivedMs, lastSentMs, isConfirmed ? Infinity : createdMs].map(at).join("")
  return `${slot}/${remoteSlot} ${flags} ${instants} ${nextCounter} heard ${sent.heardCounter} took ${taken.join()}`
}

function describePeer(peer: PeerState, at: (ms: number) => string): string {
  const fields = fieldsOf<PeerFields>(peer)
  const { pings, isEchoOwed, isGoodbyeOwed, probedMs, goodbyeEndMs, feedbackDueMs, unanswered, goodbye, retiring } = fields
  const { unique, localSession, remoteSession, liveness, isAnnounced, isProbeWanted, association, rtt, dueMs } = peer
  return [
    [unique, localSession, remoteSession].map((identity) => short(textOf(identity))).join("/"),
    `${liveness}${isAnnounced ? "" : " untold"}${isProbeWanted ? " probe" : ""}${isEchoOwed ? " echo" : ""}${isGoodbyeOwed ? " bye" : ""}`,
    `uses ${association?.slot} retires ${retiring.map(({ slot }) => slot).join()}`,
    `pings ${[...pings].map(({ counter }) => counter).join()} unanswered ${unanswered}`,
    [probedMs, goodbyeEndMs, feedbackDueMs, goodbye.dueMs, dueMs, peer.outgoing.lastDataMs, peer.incoming.lastDataMs].map(at).join(""),
    `rtt ${rtt.srttMs} ${rtt.varianceMs} finished ${finishedOf(peer)}`,
  ].join(" ")
}

function finishedOf(peer: PeerState): string {
  const { nextId } = fieldsOf<{ nextId: number }>(peer.outgoing)
  const { finished } = fieldsOf<{ finished: { has(id: number): boolean } }>(peer.incoming)
  return `${nextId} ${finished.has(1)}`
}
