// What layers above an endpoint are given besides peers, streams and alarms: its `error` event.

import type { EndpointError } from "@x/endpoint"
import { expect, it } from "vitest"
import { makeWorld } from "./world.ts"

it("tells what a layer above says that a function of the application threw", async () => {
  const { network, bind } = makeWorld(2)
  const { endpoint } = await bind("a")
  const errors: EndpointError[] = []
  endpoint.on("error", (error) => errors.push(error))
  const cause = new Error("no such item")
  endpoint.reportFailure(cause, "the answer to request 17")
  await network.advance(1)
  expect(errors.map(({ code, cause: why }) => [code, why])).toEqual([["handler-failed", cause]])
  expect(errors[0]!.message).toBe("the answer to request 17 threw: no such item")
})
