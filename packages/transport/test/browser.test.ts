import { expect, test } from "vitest"
import * as browser from "../src/browser.ts"
import * as node from "../src/index.ts"

test("a browser gets everything by the same names, and no host of its own: the error says what to name", () => {
  expect(Object.keys(browser).toSorted()).toEqual(Object.keys(node).toSorted())
  expect(() => browser.systemHost()).toThrow(
    expect.objectContaining({ code: "bind-failed", message: expect.stringMatching(/name a host/) }),
  )
})
