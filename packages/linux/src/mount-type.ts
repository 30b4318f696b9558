/** One mount(2) call as data. Snapshot drivers return lists of these; `mountAll` performs them in order. */
export interface Mount {
  /** File system type: `overlay`, `tmpfs`, or `bind` for a bind mount. */
  readonly type: string;
  readonly source: string;
  /** fstab-style options: `ro`, `nosuid`, `rbind`, `lowerdir=...`. */
  readonly options: readonly string[];
}
