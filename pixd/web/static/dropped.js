// Files out of what was dropped, folders and all.

/**
 * @param {DataTransfer} transfer
 * @returns {Promise<{file: ?File, name: string}[]>} file: null for a file or folder that cannot be
 *   read, and the rest is there all the same; name: the path below what was dropped
 */
export async function filesIn(transfer) {
  // The entries must be taken before the first await: after it the transfer is empty.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files].map((file) => ({ file, name: file.name }));
  const found = [];
  for (const entry of entries) await walk(entry, "", found);
  return found;
}

async function walk(entry, folder, found) {
  const name = folder ? `${folder}/${entry.name}` : entry.name;
  try {
    if (entry.isFile) {
      found.push({ file: await new Promise((resolve, reject) => entry.file(resolve, reject)), name });
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      // Each call gives at most 100 of them, so it is asked until nothing comes.
      const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!some.length) return;
      for (const one of some) await walk(one, name, found);
    }
  } catch {
    found.push({ file: null, name }); // no right to read it, or it is gone meanwhile
  }
}
