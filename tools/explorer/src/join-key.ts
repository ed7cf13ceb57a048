/**
 * The state of an incarnation as text: two with the same text behave alike. Times count by their distance from now,
 * identities by their order of first appearance.
 */
import type { Association } from "../../../packages/endpoint/src/path/association.ts"
import type { PendingJoin } from "../../../packages/endpoint/src/join/join-call.ts"
import type { Session } from "../../../packages/endpoint/src/path/session.ts"
import type { PeerState } from "../../../packages/endpoint/src/peer/peer-state.ts"
import { short } from "./datagram-name.ts"
import { fieldsOf, type Incarnation, ownedBy, textOf } from "./incarnation.ts"

/** No deadline is further in the past. */
const PAST_MS_MAX = 5_000

interface PresenceParts {
  readonly liveness: object
  readonly goodbye: { readonly dueMs: number; readonly endMs: number; readonly isAnswerOwed: boolean }
}

interface PeerFields {
  readonly feedback: object & { readonly dueMs: number }
  readonly retiring: { readonly all: readonly Association[] }
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
  const { slots, joins, received } = fieldsOf<{ slots: object; joins: object; received: object }>(protocol)
  const { hints } = fieldsOf<{ parts: { readonly hints: object } }>(received).parts
  const { hinted } = fieldsOf<{ hinted: ReadonlyMap<number, number> }>(hints)
  const { byAddress } = fieldsOf<{ byAddress: ReadonlyMap<number, PeerState> }>(protocol.peers)
  const { halfOpen, theirs } = fieldsOf<{
    halfOpen: Iterable<{ readonly association: Association }>
    theirs: { readonly nextTimeoutMs: number }
  }>(joins)
  const peers: PeerState[] = [...protocol.peers.values()]
  const sessions: Session[] = peers.map(({ session }) => session)
  const placeOf = (session: Session): number => {
    if (!sessions.includes(session)) sessions.push(session)
    return sessions.indexOf(session)
  }
  const rows = it.owners.map((owner) => {
    if (owner.kind === "join") return describeJoin(owner.pending, at)
    const { session, association, isConfirmed } = ownedBy(owner)
    return `${placeOf(session)}:${describeAssociation(association, isConfirmed, at)}`
  })
  for (const peer of byAddress.values()) placeOf(peer.session)
  const described = sessions.map((session, i) => `${i < peers.length ? "in" : "out"} ${describeSession(session)}`)
  return [
    `${it.side}${it.number}${it.isJoining ? "j" : ""}${it.isWilling ? "w" : ""}`,
    ...rows,
    ...described,
    ...peers.map((peer) => describePeer(peer, at)),
    `at ${[...byAddress].map(([address, peer]) => `${address}:${placeOf(peer.session)}`).join()}`,
    `half ${[...halfOpen].map(({ association }) => association.slot).join()} ${at(theirs.nextTimeoutMs)}`,
    `hinted ${[...hinted.values()].map((ms) => at(Math.max(ms, nowMs - 1_000))).join()}`,
    `used ${fieldsOf<{ slots: number[] }>(slots).slots.length} due ${protocol.sizes.timers}`,
  ].join(";")
}

function describeSession({ unique, local, remote }: Session): string {
  return [unique, local, remote].map((identity) => short(textOf(identity))).join("/")
}

function describeJoin({ joiner, calls }: PendingJoin, at: (ms: number) => string): string {
  const candidates = joiner.candidates.map((candidate) => {
    const { retryMs, tokenTries } = fieldsOf<{ retryMs: number; tokenTries: number }>(candidate)
    const { challenge, challenger, nextMs } = candidate
    const told =
      challenger &&
      [textOf(challenger.unique), textOf(challenger.token), textOf(challenger.session)].map(short).join("/")
    return `${at(nextMs)} ${retryMs} ${challenge === undefined ? "-" : tokenTries} ${told} ${challenger?.order}`
  })
  const deadlines = [...calls].map(({ deadlineMs }) => at(deadlineMs)).join("")
  return `join ${joiner.slot} ${joiner.isProbe} ${joiner.attempt} ${deadlines} ${candidates.join()}`
}

function describeAssociation(association: Association, isConfirmed: boolean, at: (ms: number) => string): string {
  const { slot, remoteSlot, isOurs, order, retiresMs, lastReceivedMs, lastSentMs, createdMs, nextCounter, sent } =
    association
  const { replay } = association
  const taken: number[] = []
  for (let counter = 1; counter <= replay.highest; counter++)
    if (replay.check(counter) !== undefined) taken.push(counter)
  const flags = `${isOurs ? "ours" : "theirs"} ${order}${isConfirmed ? "" : " unconfirmed"}`
  const instants = [retiresMs, lastReceivedMs, lastSentMs, isConfirmed ? Infinity : createdMs].map(at).join("")
  return `${slot}/${remoteSlot} ${flags} ${instants} ${nextCounter} heard ${sent.heardCounter} took ${taken.join()}`
}

function describePeer(peer: PeerState, at: (ms: number) => string): string {
  const fields = fieldsOf<PeerFields>(peer)
  const { feedback, retiring } = fields
  const { pings } = peer
  const { liveness, goodbye } = fieldsOf<{ parts: PresenceParts }>(peer.presence).parts
  const { pings: asked } = fieldsOf<{ pings: ReadonlySet<{ readonly counter: number }> }>(pings)
  const { probedMs } = fieldsOf<{ probedMs: number }>(liveness)
  const { unanswered } = fieldsOf<{ unanswered: number }>(feedback)
  const { isAnnounced, association, rtt, dueMs } = peer
  const { isProbeWanted } = peer.presence
  const flags = [
    ...[isAnnounced ? "" : " untold", isProbeWanted ? " probe" : ""],
    ...[pings.isEchoOwed ? " echo" : "", goodbye.isAnswerOwed ? " bye" : ""],
  ]
  const { outgoing, incoming } = peer
  return [
    `${peer.liveness}${flags.join("")}`,
    `uses ${association?.slot} retires ${retiring.all.map(({ slot }) => slot).join()}`,
    `pings ${[...asked].map(({ counter }) => counter).join()} unanswered ${unanswered}`,
    [probedMs, goodbye.endMs, feedback.dueMs, goodbye.dueMs, dueMs, outgoing.lastDataMs, incoming.lastDataMs]
      .map(at)
      .join(""),
    `rtt ${rtt.srttMs} ${rtt.varianceMs} finished ${finishedOf(peer)}`,
  ].join(" ")
}

function finishedOf(peer: PeerState): string {
  const { nextId } = fieldsOf<{ nextId: number }>(peer.outgoing)
  const { finished } = fieldsOf<{ finished: { has(id: number): boolean } }>(peer.incoming)
  return `${nextId} ${finished.has(1)}`
}
