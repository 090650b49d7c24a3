// SPDX-License-Identifier: Apache-2.0
// The operations of one file in the ring: what they are known by, and how many are under way. The slot is given up when
// the last of them has completed, so that no completion ever meets another owner.

import { operation, type SlotOwner, type UringThread } from "./uring-thread.ts";

export class OperationSlot {
  readonly thread: UringThread;
  readonly generation: number;
  fd: number;
  /** Under way. */
  operations = 0;
  /** The file is being closed: nothing new is begun. */
  closing = false;
  readonly #slot: number;

  /** `fd` is -1 as long as there is none. */
  constructor(thread: UringThread, owner: SlotOwner, fd: number) {
    this.thread = thread;
    this.fd = fd;
    this.#slot = thread.claim(owner);
    this.generation = thread.generationOf(this.#slot);
    if (fd >= 0) thread.ledger?.add(fd);
  }

  setFile(fd: number): void {
    this.fd = fd;
    this.thread.ledger?.add(fd);
  }

  /** What an operation of this kind is known by; it is under way from now on. */
  begin(kind: number): number {
    this.operations++;
    return this.thread.idOf(this.#slot, kind);
  }

  /** The same of a send, which is not waited for. */
  idOf(kind: number): number {
    return this.thread.idOf(this.#slot, kind);
  }

  cancel(kind: number): void {
    const target = this.thread.idOf(this.#slot, kind);
    this.thread.ring.cancel(target, this.generation, this.begin(operation.cancel), this.generation);
  }

  /** Closes the file; what was to be cancelled has been. */
  close(): void {
    this.closing = true;
    if (this.fd < 0) return;
    this.thread.ledger?.remove(this.fd);
    this.thread.ring.close(this.fd, this.begin(operation.close), this.generation);
  }

  /** Nothing is under way any more. */
  release(): void {
    this.thread.check?.slotEnds(this.operations);
    this.thread.release(this.#slot);
  }
}
