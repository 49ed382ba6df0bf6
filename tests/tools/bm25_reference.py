"""Scores of the demo's conversation by other people's BM25: writes core/src/index/fixtures/bm25.json.

Needs bm25s and snowballstemmer. Stop words are read from the engine's source, the rest is independent of it: words,
stems (Snowball's English stemmer) and scores (bm25s, the variant of Lucene, which leaves out the constant k1 + 1).
A turn's text is its own and that of two turns before and after it.
"""

import json
import pathlib
import re

import bm25s
import numpy as np
import snowballstemmer

ROOT = pathlib.Path(__file__).parents[2]
K1, B, REACH = 1.2, 0.75, 2

source = (ROOT / "core/src/index/terms.rs").read_text()
stop = set(re.findall(r'"(\w+)"', source[source.index("const STOP_WORDS") :].split("];")[0]))
stem = snowballstemmer.stemmer("english").stemWord


def words(text):
    return [stem(word) for word in re.findall(r"[a-z0-9]+", text.lower()) if word not in stop]


turns = [json.loads(line) for line in (ROOT / "cli/demo/conversation.jsonl").read_text().splitlines()]
texts = [f"{turn['speaker']}: {turn['text']}" for turn in turns]
sessions = [turn.get("session", "1") for turn in turns]
assert all(text.isascii() for text in texts), "words are read as ASCII here"
near = lambda at: range(max(0, at - REACH), min(len(turns), at + REACH + 1))
around = [sum((words(texts[i]) for i in near(at) if sessions[i] == sessions[at]), []) for at in range(len(turns))]

model = bm25s.BM25(method="lucene", k1=K1, b=B)
model.index(around, show_progress=False)
questions = [one["question"] for one in json.loads((ROOT / "cli/demo/questions.json").read_text())]
queries = [
    {"text": text, "scores": [round(float(s) * (K1 + 1), 5) for s in model.get_scores(words(text))]}
    for text in questions
]
fixture = {"turns": [{"session": s, "text": t} for s, t in zip(sessions, texts)], "queries": queries}
(ROOT / "core/src/index/fixtures/bm25.json").write_text(json.dumps(fixture, indent=1) + "\n")
print(len(turns), "turns,", len(queries), "queries, largest", max(max(q["scores"]) for q in queries))
