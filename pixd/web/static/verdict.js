// How a status reads in one line, and what to do: the words of `pixd status`.

/** @returns {{state: string, line: string, advice: string, others: {reason, advice}[]}} */
export function verdict(status) {
  const [first, ...others] = status.problems;
  const more = others.length ? `; and ${others.length} more, below` : "";
  if (status.state === "not-running") {
    const advice = status.store_gone
      ? ""
      : "`pixd run`, or `systemctl start pixd` where it is installed as a service";
    const line = `NOT RUNNING, ${lastSeen(status)}`;
    return { state: status.state, line, advice, others: status.problems };
  }
  if (first) {
    const line = `${status.state.toUpperCase()}: ${first.reason}${more}`;
    return { state: status.state, line, advice: first.advice, others };
  }
  const isPaused = Object.values(status.pipelines).some((one) => one.paused);
  const advice = isPaused ? "`pixd resume` lets new work start again" : "";
  return { state: status.state, line: `OK, ${activity(status)}`, advice, others };
}

function lastSeen(status) {
  const gone = status.store_gone;
  if (!status.last_seen) return gone ? "the store is gone" : "never started here";
  const at = `${status.last_seen.slice(0, 16).replace("T", " ")} UTC`;
  if (gone) return `last seen ${at}, and the store is gone`;
  const how = status.was_stopped ? "it was stopped" : "it was killed, or the machine went down";
  return `last seen ${at}: ${how}`;
}

function activity(status) {
  const named = (is) =>
    Object.entries(status.pipelines)
      .filter(([, one]) => is(one))
      .map(([name]) => name)
      .join(", ");
  if (status.starting) return "starting";
  const paused = named((one) => one.paused);
  if (paused) return `paused (${paused}): no new work starts`;
  if (status.idle) return "idle";
  const training = named((one) => one.train.state === "running");
  return training ? `training ${training}` : "working";
}
