/** This machine, with calls of the system that fail when they are told to. */
import { createSocket, type RemoteInfo, type Socket } from "node:dgram"
import type { Host } from "@x/transport/host"
import { systemHost } from "@x/transport"
import type { FaultyHelper } from "../../native/test/support/faulty-helper.ts"
import { bindDualSocket } from "../../transport/src/bind-dual-socket.ts"
import { BoundSocket, type DgramSocket } from "../../transport/src/bound-socket.ts"
import type { NativeHelper } from "../../transport/src/native.ts"
import type { openSocket } from "../../transport/src/open-socket.ts"
import { Timer } from "../../transport/src/timer.ts"
import { TurnEnd } from "../../transport/src/turn-end.ts"
import { hostWith } from "./host-with.ts"

export interface FaultyHost {
  readonly host: Host
  /** After so many calls, so many fail with this code. Returns how many calls there were since the last time. */
  fail(call: string, passing: number, failing: number, code: string): number
}

function hostOver(helper: NativeHelper, open?: typeof openSocket): Host {
  const turnEnd = new TurnEnd()
  return hostWith(systemHost(), {
    wakeUp: (wake) => new Timer(turnEnd, wake, helper.native?.openAlarm),
    defer: (run) => turnEnd.defer(run),
    bind: (options) => bindDualSocket(options, helper, turnEnd, open),
  })
}

/** Batches of the helper; its calls of the system fail. */
export function faultyNativeHost({ native, fail }: FaultyHelper): FaultyHost {
  return { host: hostOver({ native }), fail: fail as FaultyHost["fail"] }
}

/** Node's sockets alone; their calls fail: `bind`, `getsockname`, `send`, `recvmsg`, `close`. */
export function faultyDgramHost(): FaultyHost {
  const faults = new Map<string, { calls: number; passing: number; failing: number; code: string }>()
  const due = (call: string): Error | undefined => {
    const fault = faults.get(call) ?? { calls: 0, passing: 0, failing: 0, code: "" }
    faults.set(call, fault)
    fault.calls++
    if (fault.failing === 0 || fault.passing-- > 0) return undefined
    fault.passing = 0
    fault.failing--
    return Object.assign(new Error(`${call} ${fault.code}`), { code: fault.code, syscall: call })
  }
  const open: typeof openSocket = async ({ family, host, port }) => {
    const socket = createSocket(family === 4 ? "udp4" : "udp6")
    const failure = due("bind")
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject)
      if (failure === undefined) socket.bind({ port, address: host, exclusive: true }, resolve)
      else reject(failure)
    }).catch((error: unknown) => {
      socket.close()
      throw error
    })
    const facts = { dontFragment: false, receiveBufferBytes: 65_536, sendBufferBytes: 65_536 }
    return new BoundSocket(faultySocket(socket, due), family, facts)
  }
  return {
    host: hostOver({ reason: "none" }, open),
    fail(call, passing, failing, code) {
      const calls = faults.get(call)?.calls ?? 0
      faults.set(call, { calls: 0, passing, failing, code })
      return calls
    },
  }
}

function faultySocket(socket: Socket, due: (call: string) => Error | undefined): DgramSocket {
  let onError: (error: Error) => void = () => {}
  const faulty = {
    address: () => {
      const failure = due("getsockname")
      if (failure !== undefined) throw failure
      return socket.address()
    },
    on: (name: string, listener: (...args: unknown[]) => void) => {
      if (name === "error") onError = listener
      if (name !== "message") socket.on(name, listener)
      else
        socket.on("message", (bytes: Buffer, from: RemoteInfo) => {
          const failure = due("recvmsg")
          if (failure === undefined) listener(bytes, from)
          else onError(failure)
        })
      return faulty
    },
    send: (...args: [Buffer, number, number, number, string, (error: Error | null) => void]) => {
      const failure = due("send")
      if (failure === undefined) socket.send(...args)
      else setImmediate(args[5], failure)
    },
    getSendQueueCount: () => socket.getSendQueueCount(),
    close: (done: () => void) => {
      socket.close(done)
      const failure = due("close")
      if (failure !== undefined) throw failure
    },
  }
  return faulty as unknown as DgramSocket
}
