// Notifications: a training ended, or something needs a person.

/** Compare two statuses; show what a person who looks elsewhere wants to know. */
export function notify(before, now) {
  if (!before || !document.hidden) return;
  for (const [name, part] of Object.entries(now.pipelines)) {
    const old = before.pipelines[name];
    if (!old) continue;
    if (old.train.state === "running" && part.train.state !== "running") {
      const made = part.model ? `model@${part.model.number} is live` : part.train.reason;
      tell(name, `The training of ${name} ended`, part.train.state === "failed" ? part.train.reason : made);
    }
  }
  const known = new Set(before.problems.map(({ reason }) => lasting(reason)));
  for (const { reason, advice, pipeline } of now.problems) {
    if (!known.has(lasting(reason))) tell(pipeline, reason, advice);
  }
}

// What goes on counting, seconds or files, is no other problem. The numbers of names stay: model@3, in-001.png.
function lasting(reason) {
  return reason.replace(/(?<![\w@./-])\d+(?:[.,]\d+)*(?![\w@/-]|\.\w)/g, "#");
}

// The tag keeps the tabs of one browser from telling the same thing twice.
function tell(pipeline, title, body) {
  new Notification(title, { body, tag: `pixd ${pipeline} ${lasting(title)}`, icon: "/static/icon.svg" });
}
