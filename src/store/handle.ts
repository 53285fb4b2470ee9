import type { Stats } from "node:fs";
import { open, unlink } from "node:fs/promises";
import { join } from "node:path";
import { isBroken, isBusy, isUnwritable } from "../base/sqlite.ts";
import { atRest } from "../base/volume.ts";
import { factsOf, sameFacts } from "./contents.ts";
import type { CollectionKind } from "./contract.ts";
import { Courtesy } from "./courtesy.ts";
import { DirectorySync, freshName, isMissing, quickLstat, quickStat } from "./files.ts";
import { IndexFile, type State } from "./index-file.ts";
import { indexName } from "./layout.ts";
import { Notices } from "./notices.ts";
import type { StoreParts, View } from "./parts.ts";
import { reach } from "./points.ts";
import type { Properties } from "./properties.ts";
import { differences, reconcile } from "./reconcile.ts";
import { Serial } from "./serial.ts";
import { CollectionGone, OpenTransaction, type Transaction } from "./transaction.ts";

/** Without kernel notices: how long a listing may trust files it has looked at, in ms. */
const trustFor = 2_000;

/** One directory with its index, open. Kept for as long as it is used often; everything in it can be made again. */
export class Handle {
  readonly path: string;
  readonly indexPath: string;
  readonly parts: StoreParts;
  /** The kind for a directory whose index must be made. */
  readonly #kindOf: () => Promise<CollectionKind>;
  #index: IndexFile | undefined;
  #inode = 0;
  /** All files were compared with the rows since the index was opened. */
  #verified = false;
  #checked = 0;
  readonly #directory: DirectorySync;
  readonly #notices: Notices;
  readonly #courtesy: Courtesy;
  /** One writer or repairer at a time in this process. */
  readonly #serial = new Serial(() => this.#drop());
  /** A change of this process under way, and the state before it. */
  #writing: { readonly index: IndexFile; readonly state: State } | undefined;
  #lately: { readonly rest: number; readonly state: State } | undefined;
  properties: { readonly key: string; readonly map: Properties } | undefined;
  children: { readonly changed: number; readonly list: readonly { name: string; kind: CollectionKind }[] } | undefined;

  constructor(path: string, parts: StoreParts, kindOf: () => Promise<CollectionKind>) {
    this.path = path;
    this.indexPath = join(path, indexName);
    this.parts = parts;
    this.#kindOf = kindOf;
    this.#directory = new DirectorySync(path);
    this.#notices = new Notices(path, parts.watch);
    this.#courtesy = new Courtesy(path, this.#notices.pause);
  }

  /** Undefined when the directory is gone. Two `stat`s when nothing happened; and one SELECT after a write. */
  async view(): Promise<View | undefined> {
    for (let attempt = 0; ; attempt++) {
      const directory = quickStat(this.path);
      if (!directory?.isDirectory()) {
        this.close();
        return undefined;
      }
      const index = this.#index;
      const file = quickStat(this.indexPath);
      if (index !== undefined && this.#verified && file && this.parts.volume.identityOf(file) === this.#inode) {
        try {
          // Nobody waits for this process's own writer: what is renamed is there, and its rows are read as they come; the
          // state, which names a token, is the one committed last.
          if (this.#writing?.index === index) return { index, state: this.#writing.state, directory, rest: undefined };
          const rest = this.parts.volume.local && atRest(file.ctimeMs) ? file.ctimeMs : undefined;
          const state = index.db.inTransaction ? undefined : this.#stateAt(index, rest);
          if (state && this.#agrees(index, state, directory)) return { index, state, directory, rest };
          // Another process is writing just now: what was committed last is the truth until that one answers.
          if (state && !this.#serial.busy && !this.#lockFree(index)) return { index, state, directory, rest };
        } catch (error) {
          if (isBusy(error)) {
            await this.#untilFree(index);
            continue;
          }
          // What is broken is dealt with below, in turn: a writer may be using it.
          if (!isBroken(error)) throw error;
        }
      }
      if (attempt > 50) throw new Error(`${this.path}: does not come to rest`);
      try {
        await this.#serial.take(() => this.#catchUp());
      } catch (error) {
        // Whatever fails in a directory that somebody is removing: the next round says that it is gone.
        if (!this.#isGone()) throw error;
      }
    }
  }

  /** Runs `work` with the write lock held (this process, other processes, other hosts), commits, gives the lock back, and settles
   *  when what was renamed is durable. Others may see it a moment earlier: a power cut takes file and row away together, and what
   *  the rows say of it is not believed after one. */
  async locked<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    const { result, moved } = await this.#serial.take(() => this.#transact(work));
    if (moved) {
      reach("change.sync");
      await this.#directory.sync().catch((error: unknown) => {
        throw this.#failure(error);
      });
    }
    return result;
  }

  async #transact<T>(
    work: (transaction: Transaction) => Promise<T>,
  ): Promise<{ readonly result: T; readonly moved: boolean }> {
    await this.#courtesy.letOthersFirst();
    for (let attempt = 0; ; attempt++) {
      const transaction = await this.#begin().catch((error: unknown) => {
        if (!this.#isGone()) throw error;
      });
      if (transaction === undefined) throw new CollectionGone(this.path);
      const before = transaction.state;
      let result: T;
      try {
        await this.#recover(transaction);
        if (transaction.state === before) this.#writing = { index: transaction.index, state: before };
        result = await work(transaction);
      } catch (error) {
        this.#writing = undefined;
        this.#rollback(transaction);
        if (isBroken(error) && !transaction.moved && attempt < 5) {
          await this.#discardIndex();
          continue;
        }
        throw this.#failure(error);
      }
      try {
        if (transaction.failed !== undefined) throw transaction.failed;
        if (transaction.state !== before || transaction.moved) await this.#commit(transaction);
        else this.#rollback(transaction);
      } catch (error) {
        // The files are in place; rows can be made again, so the caller's work is done.
        this.#rollback(transaction);
        this.#drop();
        this.parts.warn("index not updated; it will be made again", { path: this.path, reason: String(error) });
        if (isBroken(error)) await this.#discardIndex();
      } finally {
        this.#writing = undefined;
        this.#courtesy.left();
      }
      return { result, moved: transaction.moved };
    }
  }

  #failure(error: unknown): unknown {
    return this.#isGone() || isMissing(error) ? new CollectionGone(this.path) : error;
  }

  /** A question found `index` broken, though its state could be read: it is made again. */
  broken(index: IndexFile): Promise<void> {
    return this.#serial.take(async () => {
      if (this.#index === index) await this.#discardIndex();
    });
  }

  #isGone(): boolean {
    return !quickStat(this.path)?.isDirectory();
  }

  get busy(): boolean {
    return this.#serial.busy;
  }

  /** Closes file and watch; the handle opens again when it is used again. */
  close(): void {
    this.#serial.close();
  }

  /** Lets go of the connection to sqlite, not of what is known of directory and index. */
  rest(): void {
    if (!this.busy) this.#index?.db.sleep(() => this.#identity() === this.#inode);
  }

  /** A file may have changed behind our back (its bytes were not those of its row). */
  suspect(name: string): void {
    this.#notices.touched.add(name);
  }

  // Sixteen system calls less for whoever polls: sqlite locks, looks for a journal and unlocks for each answer. `rest` is the
  // index file's ctime: every commit moves it, and while one is under way nobody can read.
  #stateAt(index: IndexFile, rest: number | undefined): State {
    if (rest !== undefined && this.#lately?.rest === rest) return this.#lately.state;
    const state = index.state();
    this.#lately = rest === undefined ? undefined : { rest, state };
    return state;
  }

  #identity(): number | undefined {
    const file = quickStat(this.indexPath);
    return file && this.parts.volume.identityOf(file);
  }

  #agrees(index: IndexFile, state: State, directory: Stats): boolean {
    if (state.directory !== directory.ctimeMs) return false;
    if (this.#notices.touched.size > 0) {
      if (this.#notices.touched.size > 1_000) return false;
      for (const name of this.#notices.touched) {
        const file = quickLstat(join(this.path, name));
        const row = index.facts(name);
        if (file?.isFile() ? !row || !sameFacts(row, factsOf(file)) : row !== undefined) return false;
        this.#notices.touched.delete(name);
      }
    }
    return this.#notices.active || Date.now() - this.#checked < trustFor;
  }

  /** Waits until `index` can be read. What else is wrong with it, or that somebody closed it meanwhile, is for the next round. */
  async #untilFree(index: IndexFile): Promise<void> {
    try {
      await this.#courtesy.whileBusy(() => index.db.open && index.state());
    } catch (error) {
      if (!isBroken(error)) throw error;
    }
  }

  #lockFree(index: IndexFile): boolean {
    try {
      index.db.exec("begin immediate");
      index.db.exec("rollback");
      return true;
    } catch (error) {
      return !isBusy(error);
    }
  }

  async #catchUp(): Promise<void> {
    const directory = quickStat(this.path);
    if (!directory?.isDirectory()) return;
    const index = await this.#open();
    if (index === undefined) return;
    try {
      const state = index.state();
      if (this.#verified && this.#agrees(index, state, directory)) return; // whoever was before us did it
      // Without the lock first: after a start everything usually agrees.
      if (state.directory === directory.ctimeMs && state.inode === this.#inode && this.#notices.touched.size === 0) {
        if ((await differences(this.path, index)).size === 0) {
          this.#verified = true;
          this.#checked = Date.now();
          return;
        }
      }
    } catch (error) {
      if (isBroken(error)) return this.#discardIndex();
      if (isBusy(error)) return this.#untilFree(index);
      throw error;
    }
    const transaction = await this.#begin();
    if (transaction === undefined) return;
    try {
      await this.#recover(transaction);
      await this.#commit(transaction);
    } catch (error) {
      this.#rollback(transaction);
      if (isBroken(error)) return this.#discardIndex();
      if (isUnwritable(error)) this.#drop();
      throw error;
    }
  }

  /** Takes the lock. Undefined when the directory is gone. */
  async #begin(): Promise<Transaction | undefined> {
    for (let attempt = 0; attempt < 100; attempt++) {
      if (!quickStat(this.path)?.isDirectory()) return undefined;
      const index = await this.#open();
      if (index === undefined) continue;
      try {
        if (!index.db.inTransaction) await this.#courtesy.whileBusy(() => index.db.exec("begin immediate"));
        const inode = this.#identity();
        if (inode !== this.#inode) {
          this.#drop(); // deleted or replaced while we waited
          continue;
        }
        const state = index.state();
        // The first write makes the journal file, which changes the directory: before its ctime is looked at.
        if (!quickStat(`${this.indexPath}-journal`)) index.saveState(state);
        return new OpenTransaction(index, state, this.#startOf(state));
      } catch (error) {
        if (!isBroken(error)) throw error;
        await this.#discardIndex();
      }
    }
    throw new Error(`${this.path}: the index keeps vanishing`);
  }

  // An index file with another inode than it was made with is a restored copy: its revisions were given out before.
  #startOf(state: State): string {
    return state.inode === this.#inode ? this.parts.startId : `${this.parts.startId}/${this.#inode}/${freshName()}`;
  }

  async #recover(transaction: Transaction): Promise<void> {
    const { state } = transaction;
    const directory = quickStat(this.path);
    const agrees =
      this.#verified &&
      directory !== undefined &&
      this.#agrees(transaction.index, state, directory) &&
      state.inode === this.#inode;
    if (agrees) return;
    if (await this.parts.properties.recoverCollection(this.path)) this.properties = undefined;
    await reconcile(this, transaction, this.#inode);
    this.#verified = true;
    this.#checked = Date.now();
    this.#notices.touched.clear();
  }

  async #commit(transaction: Transaction): Promise<void> {
    // Our own renames are in the rows; what a reconcile read is as old as the ctime it took first.
    const directory = transaction.moved ? (quickStat(this.path)?.ctimeMs ?? 0) : transaction.state.directory;
    const trimmed = transaction.index.trimRemoved(20_000);
    transaction.index.saveState({
      ...transaction.state,
      floor: trimmed ?? transaction.state.floor,
      directory,
      inode: this.#inode,
    });
    reach("change.commit");
    // Readers of other processes are waited for; the transaction stays open and new ones are kept out.
    await this.#courtesy.whileBusy(() => transaction.index.db.exec("commit"));
    reach("change.committed");
  }

  #rollback(transaction: Transaction): void {
    try {
      if (transaction.index.db.open && transaction.index.db.inTransaction) transaction.index.db.exec("rollback");
    } catch {
      this.#drop();
    }
  }

  async #open(): Promise<IndexFile | undefined> {
    if (this.#index !== undefined && this.#identity() === this.#inode) return this.#index;
    this.#drop();
    this.#notices.start();
    // The file is there, and its identity known, before sqlite opens it: else another process could exchange it in between,
    // and this one would go on with a file that nobody else sees or locks.
    if (quickStat(this.indexPath) === undefined) await (await open(this.indexPath, "a")).close();
    const identity = this.#identity();
    let index: IndexFile | undefined;
    try {
      if (quickStat(this.indexPath)?.size) {
        index = await this.#courtesy.whileBusy(() => IndexFile.recognise(this.indexPath));
        if (index === undefined) return void (await this.#discardIndex(identity));
      } else {
        const kind = await this.#kindOf();
        index = await this.#courtesy.whileBusy(() =>
          IndexFile.begin(this.indexPath, kind, () => identity ?? 0, this.parts.startId),
        );
        if (index === undefined) return undefined;
      }
    } catch (error) {
      if (!isBroken(error)) throw error;
      return void (await this.#discardIndex(identity));
    }
    if (identity === undefined || this.#identity() !== identity) return void index.close();
    this.#index = index;
    this.#inode = identity;
    if (index.db.inTransaction) {
      // Just made: nobody else can see it before its rows are complete.
      const transaction = new OpenTransaction(index, index.state(), this.parts.startId);
      try {
        await this.#recover(transaction);
        await this.#commit(transaction);
      } catch (error) {
        this.#rollback(transaction);
        this.#drop();
        if (isBroken(error)) return undefined; // deleted again meanwhile
        throw error;
      }
    }
    return index;
  }

  /** `identity`: of the file that turned out broken. Another process may have put a good one in its place. */
  async #discardIndex(identity: number | undefined = this.#inode): Promise<void> {
    this.#drop();
    if (this.#identity() !== identity) return;
    this.parts.warn("index replaced: it is broken, or of another server", { path: this.indexPath });
    await unlink(`${this.indexPath}-journal`).catch(() => undefined);
    await unlink(this.indexPath).catch(() => undefined);
  }

  #drop(): void {
    this.#notices.stop();
    this.#directory.close();
    this.#index?.close();
    this.#index = undefined;
    this.#verified = false;
    this.parts.lists.delete(this);
    this.#lately = undefined;
    this.properties = undefined;
    this.children = undefined;
  }
}
