"""Rewards of Keepsake's agents for verl.

verl calls `compute_score` for every reply: `reward.custom_reward_function.path` is this file, and its `name`
is `compute_score` (without `reward.` before it in older releases). What a reply is worth is worked out by
Keepsake's own program, so that it is the same there as in its trainer: one `keepsake-trainer reward` for each
process of verl's, with a line of JSON in and one out for each reply. KEEPSAKE_TRAINER names it if it is not on
the path.
"""

import atexit
import json
import os
import shlex
import subprocess
import threading

_lock = threading.Lock()
_command = None


def _forget():
    """A forked process has a command and a lock of its own."""
    global _lock, _command
    _lock, _command = threading.Lock(), None


os.register_at_fork(after_in_child=_forget)


def _program():
    """The running command; a new one where none runs yet, or the last has ended."""
    global _command
    if _command is None or _command.poll() is not None:
        program = shlex.split(os.environ.get("KEEPSAKE_TRAINER", "keepsake-trainer"))
        _command = subprocess.Popen(
            [*program, "reward"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
        )
    return _command


@atexit.register
def _stop():
    if _command is not None:
        _command.stdin.close()
        _command.wait(timeout=10)


def judge(role, scene, reply):
    """The program's word on a reply: its `reward`, None where it cannot be scored, and the `parts` of that."""
    request = json.dumps({"role": role, "scene": scene, "reply": reply})
    with _lock:
        program = _program()
        try:
            program.stdin.write(request + "\n")
            program.stdin.flush()
            line = program.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise RuntimeError("`keepsake-trainer reward` ended: run it by hand and see what it says")
    response = json.loads(line)
    if "error" in response:
        raise RuntimeError(response["error"])
    return response


def compute_score(data_source, solution_str, ground_truth, extra_info=None, **_):
    """verl's reward. What cannot be scored earns nothing; `unscorable` says so, among the metrics."""
    role = data_source.removeprefix("keepsake/")
    reward = judge(role, ground_truth, solution_str)["reward"]
    return {"score": 0.0 if reward is None else reward, "unscorable": float(reward is None)}
