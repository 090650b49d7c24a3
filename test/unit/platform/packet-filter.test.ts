// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { ip } from "../../../src/core/index.ts";
import { arpFilter, neighborFilter, type FilterInstruction } from "../../../src/platform/packet-filter.ts";
import { bytes, changed, golden } from "../announce/layer2/frames.ts";

const broadcast = 1;
const otherHost = 3;
const outgoing = 4;
const addresses = (...texts: readonly string[]): ip.Ip[] => texts.map((text) => ip.parse(text)!);

suite("packet filter", () => {
  test("lets ARP through that names one of the addresses", () => {
    const program = arpFilter(addresses("10.9.0.200", "10.9.0.7", "fd00::1"));
    assert.equal(takes(program, bytes(golden.arpRequest)), true);
    assert.equal(takes(program, bytes(golden.arpReply)), true, "as the sender");
    assert.equal(takes(program, changed(golden.arpRequest, 38, "0a090007")), true);
    for (const other of ["0a0900c9", "0a0900c7", "0a090006", "0a090008"]) {
      assert.equal(takes(program, changed(golden.arpRequest, 38, other)), false, other);
    }
    assert.equal(takes(program, changed(golden.arpRequest, 20, "0003")), false, "neither request nor reply");
    assert.equal(takes(program, bytes(golden.arpRequest).subarray(0, 41)), false, "too short");
  });

  test("lets neighbor discovery through whose target or source ends like one of the addresses", () => {
    const program = neighborFilter(addresses("fd00:9::200", "10.9.0.200"));
    assert.equal(takes(program, bytes(golden.solicitation)), true);
    assert.equal(takes(program, bytes(golden.solicitedAdvertisement)), true);
    assert.equal(takes(program, changed(golden.solicitation, 62, "fd000009000000000000000000000201")), false);
    assert.equal(takes(program, changed(golden.solicitation, 54, "85")), false, "a router solicitation");
    assert.equal(takes(program, changed(golden.solicitation, 20, "11")), false, "UDP");
  });

  test("keeps out what is for others and what we sent", () => {
    for (const kind of [otherHost, outgoing]) {
      assert.equal(takes(arpFilter(addresses("10.9.0.200")), bytes(golden.arpRequest), kind), false);
      assert.equal(takes(neighborFilter(addresses("fd00:9::200")), bytes(golden.solicitation), kind), false);
    }
  });

  test("lets nothing through without addresses", () => {
    assert.equal(takes(arpFilter([]), bytes(golden.arpRequest)), false);
    assert.equal(takes(neighborFilter([]), bytes(golden.solicitation)), false);
  });

  test("makes ranges of neighbours, of any order and to the ends of all addresses", () => {
    const block = Array.from({ length: 1_024 }, (_, at) => ({ family: 4, value: 0x0a09_0400n - BigInt(at) }) as const);
    const program = arpFilter([...block, ...addresses("0.0.0.0", "255.255.255.255", "255.255.255.254")]);
    assert.ok(program.length < 40, `${program.length} instructions`);
    for (const [target, expected] of [
      ["0a090001", true],
      ["0a090400", true],
      ["0a090000", false],
      ["0a090401", false],
      ["00000000", true],
      ["00000001", false],
      ["ffffffff", true],
      ["fffffffe", true],
      ["fffffffd", false],
    ] as const) {
      const request = changed(golden.arpRequest, 28, `7f000001 000000000000 ${target}`);
      assert.equal(takes(program, request), expected, target);
    }
  });

  test("lets every address through when there are more than a program can hold", () => {
    const many = Array.from({ length: 2_000 }, (_, at) => ({ family: 4, value: BigInt(at * 2) }) as const);
    const program = arpFilter(many);
    assert.ok(program.length < 4_096);
    assert.equal(takes(program, bytes(golden.arpRequest)), true);
    assert.equal(takes(program, changed(golden.arpRequest, 20, "0003")), false);
    assert.equal(takes(program, bytes(golden.arpRequest), outgoing), false);
  });
});

/** What the kernel does with a frame (linux/filter.h), for the instructions that there are. */
function takes(program: readonly FilterInstruction[], frame: Uint8Array, packetType = broadcast): boolean {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  let accumulator = 0;
  for (let at = 0; at < program.length; at++) {
    const [code, whenTrue, whenFalse, operand] = program[at]!;
    const size = { 0x20: 4, 0x28: 2, 0x30: 1 }[code];
    if (size !== undefined) {
      if (operand === 0xffff_f004) accumulator = packetType;
      // Beyond the end of the frame a program ends, and takes nothing.
      else if (operand + size > frame.length) return false;
      else
        accumulator =
          size === 4 ? view.getUint32(operand) : size === 2 ? view.getUint16(operand) : view.getUint8(operand);
    } else if (code === 0x06) {
      return operand > 0;
    } else {
      const holds = new Map([
        [0x15, accumulator === operand],
        [0x25, accumulator > operand],
        [0x35, accumulator >= operand],
      ]).get(code);
      assert.notEqual(holds, undefined, `instruction ${code}`);
      at += holds === true ? whenTrue : whenFalse;
    }
  }
  throw new Error("the kernel refuses a program that can run off its end");
}
