"""Dense search and embedding by others from Python, on the vectors and sentences that keepsake-rivals wrote.

Usage: others.py FOLDER [MODELS_FOLDER KEEPSAKE_RIVALS]. Prints JSON. Needs numpy, faiss-cpu, sqlite-vec, pysqlite3-binary; for embedding onnxruntime
and tokenizers.
"""

import glob
import json
import statistics
import subprocess
import sys
import time

import numpy as np

K = 60
DIMENSIONS = 384


def rows(path):
    return np.fromfile(path, dtype="<f4").reshape(-1, DIMENSIONS)


def measured(name, find, queries, truth, **about):
    """The median time of one search in microseconds, over all queries three times, and the recall."""
    times, hits = [], 0
    for turn in range(3):
        for query, true in zip(queries, truth):
            started = time.perf_counter()
            found = find(query)
            times.append((time.perf_counter() - started) * 1e6)
            if turn == 0:
                hits += len(set(found) & true)
    return {"who": name, "p50_us": statistics.median(times), "recall": hits / (K * len(queries)), **about}


def faiss_rows(vectors, queries, truth):
    import faiss

    faiss.omp_set_num_threads(1)
    flat = faiss.IndexFlatIP(DIMENSIONS)
    flat.add(vectors)
    yield measured("FAISS, flat f32", lambda q: flat.search(q[None], K)[1][0].tolist(), queries, truth)
    int8 = faiss.IndexScalarQuantizer(DIMENSIONS, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)
    int8.train(vectors)
    int8.add(vectors)
    yield measured("FAISS, 8 bits", lambda q: int8.search(q[None], K)[1][0].tolist(), queries, truth)


def sqlite_vec_row(vectors, queries, truth):
    # Not every Python's sqlite3 may load extensions.
    import pysqlite3 as sqlite3
    import sqlite_vec

    db = sqlite3.connect(":memory:")
    db.enable_load_extension(True)
    sqlite_vec.load(db)
    db.execute(f"create virtual table v using vec0(embedding float[{DIMENSIONS}] distance_metric=cosine)")
    data = ((at, row.tobytes()) for at, row in enumerate(vectors))
    db.executemany("insert into v(rowid, embedding) values (?, ?)", data)
    sql = f"select rowid from v where embedding match ? and k = {K}"
    return measured("sqlite-vec, f32", lambda q: [r[0] for r in db.execute(sql, (q.tobytes(),))], queries, truth)


def embedding(folder, models, program):
    """Sentences a second by onnxruntime and by keepsake-rivals in turn, five times, with the same two threads."""
    import onnxruntime
    from tokenizers import Tokenizer

    sentences = json.load(open(f"{folder}/sentences.json"))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    session = onnxruntime.InferenceSession(glob.glob(f"{models}/all-MiniLM-L6-v2-int8*")[0], options)
    tokenizer = Tokenizer.from_file(glob.glob(f"{models}/all-MiniLM-L6-v2-tokenizer*")[0])
    tokenizer.enable_truncation(256)

    def embed(batch):
        tokenizer.enable_padding() if len(batch) > 1 else tokenizer.no_padding()
        encoded = tokenizer.encode_batch(batch)
        ids = np.array([e.ids for e in encoded], dtype=np.int64)
        mask = np.array([e.attention_mask for e in encoded], dtype=np.int64)
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        hidden = session.run(None, feed)[0]
        mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
        return mean / np.linalg.norm(mean, axis=1, keepdims=True)

    def own(size):
        started = time.perf_counter()
        for start in range(0, len(sentences), size):
            embed(sentences[start : start + size])
        return len(sentences) / (time.perf_counter() - started)

    def ours(size):
        command = [program, "embed", f"{folder}/sentences.json", models, str(size)]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    def in_turn(size):
        own(size)
        rounds = [(ours(size), own(size)) for _ in range(5)]
        names = ("keepsake", "onnxruntime from Python")
        rates = {name: statistics.median(column) for name, column in zip(names, zip(*rounds))}
        return {**rates, "ratio": statistics.median(a / b for a, b in rounds)}

    return {"threads": 2, "sentences_per_second": {"one at a time": in_turn(1), "16 at a time": in_turn(16)}}


def main():
    folder = sys.argv[1]
    report = {"sizes": []}
    for count in (10_000, 100_000):
        vectors, queries = rows(f"{folder}/vectors-{count}.f32"), rows(f"{folder}/queries.f32")
        scores = queries @ vectors.T
        truth = [set(row.tolist()) for row in np.argpartition(-scores, K, axis=1)[:, :K]]
        contenders = [*faiss_rows(vectors, queries, truth), sqlite_vec_row(vectors, queries, truth)]
        report["sizes"].append({"units": count, "k": K, "contenders": contenders})
    if len(sys.argv) > 2:
        report["embedding"] = embedding(folder, sys.argv[2], sys.argv[3])
    print(json.dumps(report, indent=2))


main()
