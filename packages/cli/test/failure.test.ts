import { expect, test } from "vitest"
import { CommandError, describeFailure, EXIT } from "../src/failure.ts"

function suppressed(later: unknown, first: unknown): Error {
  return Object.assign(new Error("An error was suppressed during disposal."), {
    name: "SuppressedError",
    error: later,
    suppressed: first,
  })
}

test("what fails while it is cleaned up after a failure is told behind it, and the first says how it ends", () => {
  const first = new CommandError(EXIT.refused, "it was refused")
  expect(describeFailure(suppressed(new Error("the socket broke"), first))).toEqual({
    message: "it was refused; and then: the socket broke",
    exitCode: EXIT.refused,
  })
  expect(
    describeFailure(suppressed(new Error("third"), suppressed(new Error("second"), new Error("first")))).message,
  ).toBe("first; and then: second; and then: third")
})

test("the same failure twice is told once", () => {
  expect(describeFailure(suppressed(new Error("it broke"), new Error("it broke"))).message).toBe("it broke")
})

test("whatever is thrown is a failure with words", () => {
  for (const thrown of [undefined, null, "text", 7, {}]) {
    expect(describeFailure(thrown)).toMatchObject({ message: expect.stringMatching(/./), exitCode: EXIT.failed })
  }
})
