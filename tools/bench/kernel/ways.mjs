// What is measured: groups of ways, the first of each being today's. A way is a command, and how its result is read.
import { far, near } from "./place.mjs"

/** What is measured, by group; the first way of each is today's. */
export function groups(ms) {
  const sending = ["helper", "uring", "uring-zc", "uring-zc-fixed"]
  const sendWays = (bytes, batch) => sending.map((way) => oneWay(ms, way, way, "helper", bytes, batch))
  const receiveWays = (bytes, batch, ways) =>
    Object.entries(ways).map(([name, way]) => oneWay(ms, name, "helper", way, bytes, batch))
  const offload = {
    "recvmmsg, 8 slots of 64 KiB, GRO (helper)": "helper",
    "the same by this bench's code": "mmsg:8:65536:1",
    "2 slots of 64 KiB": "mmsg:2:65536:1",
    "32 slots of 64 KiB": "mmsg:32:65536:1",
    "8 slots of 256 KiB": "mmsg:8:262144:1",
    "io_uring, multishot, 8 buffers, epoll": "uring-epoll:8:65536:1",
    "io_uring, multishot, 32 buffers, epoll": "uring-epoll:32:65536:1",
    "io_uring, multishot, 32 buffers, waits itself": "uring:32:65536:1",
    "a thread and a ring": "thread",
    "the helper on any CPU": "helper@any",
    "a thread and a ring on any CPU": "thread@any",
  }
  const single = {
    "recvmmsg, 8 slots of 64 KiB, GRO (helper)": "helper",
    "recvmmsg, 64 slots of 2 KiB, no GRO": "mmsg:64:2048:0",
    "io_uring, multishot, 512 buffers of 2 KiB, no GRO, epoll": "uring-epoll:512:2048:0",
  }
  const both = {
    "helper, both sides": ["helper", "helper"],
    "io_uring, both sides, epoll": ["uring", "uring-epoll:32:65536:1"],
    "io_uring, both sides, waits itself": ["uring", "uring:32:65536:1"],
  }
  const link = {
    "recvmmsg, 8 slots of 64 KiB, GRO (helper)": "helper",
    "recvmmsg, 64 slots of 2 KiB, no GRO": "mmsg:64:2048:0",
    "io_uring, multishot, 32 buffers, epoll": "uring-epoll:32:65536:1",
    "io_uring, multishot, 512 buffers of 2 KiB, no GRO, epoll": "uring-epoll:512:2048:0",
  }
  const polling = ["helper", "busy-poll", "busy-poll-no-gro", "prefer-busy-poll", "prefer-busy-poll-no-gro", "spin"]
  return [
    { name: "send-1400", title: "Sending 1,400 B, 64 a call, loopback", ways: sendWays(1400, 64) },
    { name: "send-65000", title: "Sending 65,000 B, 8 a call, loopback", ways: sendWays(65_000, 8) },
    { name: "receive-1400", title: "Receiving 1,400 B, loopback", ways: receiveWays(1400, 64, offload) },
    { name: "receive-65000", title: "Receiving 65,000 B, loopback", ways: receiveWays(65_000, 8, offload) },
    { name: "receive-single", title: "Receiving 1,400 B without GRO, loopback", ways: receiveWays(1400, 64, single) },
    {
      name: "both-1400",
      title: "Both sides, 1,400 B, loopback",
      ways: Object.entries(both).map(([name, [send, receive]]) => oneWay(ms, name, send, receive, 1400, 64)),
    },
    {
      name: "link-1400",
      title: "Receiving 1,400 B over veth, segmented there, GRO in threaded NAPI",
      link: { threaded: true },
      ways: receiveWays(1400, 64, link).map(overLink),
    },
    {
      name: "trip",
      title: "64 B there and back, two CPUs, loopback",
      ways: [
        "helper",
        "uring-epoll",
        "uring-wait",
        "spin",
        "spin-a-while",
        "busy-poll",
        "prefer-busy-poll",
        "thread",
      ].map((way) => trip(way, way, way, ["0", "1", "-1"])),
    },
    {
      name: "trip-one-cpu",
      title: "64 B there and back, one CPU, loopback",
      ways: ["helper", "uring-epoll", "uring-wait"].map((way) => trip(way, way, way, ["1", "1", "-1"])),
    },
    {
      name: "trip-gap",
      title: "64 B there and back, two CPUs, loopback, a pause of 500 µs behind each",
      ways: ["helper", "spin-a-while"].map((way) => trip(way, way, way, ["0", "1", "-1"], { count: 2000, gapUs: 500 })),
    },
    {
      name: "trip-thread",
      title: "64 B there and back, a thread in the client, which spins on CPU 0; the rest on CPU 1",
      ways: [
        trip("helper, two CPUs", "helper", "helper", ["0", "1", "-1"]),
        trip("helper, one CPU", "helper", "helper", ["1", "1", "-1"]),
        trip("the thread wakes the main thread by an eventfd", "spin-thread", "helper", ["1", "1", "0"]),
        trip("the main thread spins too, and yields", "spin-both", "helper", ["1", "1", "0"]),
      ],
    },
    ...[false, true].map((threaded) => ({
      name: threaded ? "trip-threaded" : "trip-link",
      title: `64 B there and back over veth with GRO, NAPI ${threaded ? "in threads" : "in the sender's interrupt"}`,
      link: { threaded },
      ways: polling.map((way) => ({
        ...overLink(trip(way, way, way, ["0", "1", "-1"])),
        isDeferred: way.startsWith("prefer"),
      })),
    })),
    { name: "hand-over", title: "From a thread to the main thread", ways: ["eventfd", "spin"].map(handOver) },
    {
      name: "pacing",
      title: "1,200 B each 100 µs",
      qdisc: true,
      ways: [
        pacing("timerfd, a datagram each time", "timerfd"),
        pacing("64 at once, each 6.4 ms (no pacing)", "batch"),
        pacing("SO_TXTIME, 64 at once", "txtime"),
      ],
    },
  ]
}

/** One process sends to another. */
function oneWay(ms, name, send, receive, bytes, batch) {
  return {
    name,
    command: ["one_way", send, receive, String(bytes), String(batch), ms],
    read(result, threadNs) {
      const sender = (result.sendUserNs + result.sendSystemNs) / result.sent
      const receiver = (result.receiveUserNs + result.receiveSystemNs) / result.received
      const threads = threadNs / result.all
      return {
        notes: [
          result.notified > 0 && `${percent(result.copied / result.notified)} of the zero-copy sends were copied`,
          result.rearmed > 0 && `started anew ${result.rearmed} times, of ${result.reads} reads`,
        ],
        columns: {
          "sender, ns": sender,
          "receiver, ns": receiver,
          ...(threadNs > 0 && { "NAPI threads, ns": threads }),
          "all, ns a datagram": sender + receiver + threads,
          "ns a KiB": (sender + receiver + threads) / (bytes / 1024),
          "M/s": (result.received / result.ns) * 1e3,
          "datagrams a read": result.received / result.reads,
        },
      }
    },
    ratios: ["all, ns a datagram"],
  }
}

/** A datagram goes there and back; CPUs of the client, the server and the client's thread. */
function trip(name, client, server, cpus, { count = 10_000, gapUs = 0 } = {}) {
  return {
    name,
    command: ["trip", client, server, String(count), String(gapUs), ...cpus],
    read: (result, threadNs) => ({
      notes: [
        result.napiId > 0 &&
          result.polled > 0 &&
          `${percent(result.polled / result.trips)} of the answers were polled for`,
        threadNs > 0 && "without the CPU of the NAPI threads",
      ],
      columns: {
        "p50, µs": result.tripP50Us,
        "p99, µs": result.tripP99Us,
        "CPU, µs a trip": (sum(result, "client") + sum(result, "server")) / result.trips / 1e3,
      },
    }),
    ratios: ["p50, µs", "CPU, µs a trip"],
  }
}

function handOver(way) {
  return {
    name: way === "spin" ? "the main thread spins" : "eventfd and epoll",
    command: ["hand_over", way, "10000"],
    read: (result) => ({
      notes: [],
      columns: {
        "p50, µs": result.handedP50Us,
        "p99, µs": result.handedP99Us,
        "the thread pays, µs": result.putMeanUs,
      },
    }),
    ratios: ["p50, µs"],
  }
}

function pacing(name, way) {
  return {
    name,
    command: ["pacing", way, "10000", "100"],
    after: [`/var/run/netns/${near.name}`],
    read: (result) => ({
      notes: [],
      columns: {
        // Those that came early have no lateness.
        "late p50, µs": way === "batch" ? NaN : result.lateP50Us,
        "late p99, µs": way === "batch" ? NaN : result.lateP99Us,
        "sender, µs a datagram": sum(result, "send") / result.datagrams / 1e3,
        "receiver, µs": sum(result, "receive") / result.datagrams / 1e3,
      },
    }),
    ratios: ["sender, µs a datagram"],
  }
}

function sum(result, name) {
  return result[`${name}UserNs`] + result[`${name}SystemNs`]
}

/** The same between two network namespaces. */
function overLink(way) {
  return { ...way, after: [`/var/run/netns/${near.name}`, near.host, `/var/run/netns/${far.name}`, far.host] }
}

function percent(part) {
  return `${(part * 100).toFixed(0)} %`
}
