"""Tasks that fail, are killed or run twice, and jobs at the same time: the result is one whole set, or none."""

import os
import sys
import time

import pyarrow
import pytest
from pyspark import cloudpickle
from pyspark.sql import functions as F

import hashlith
import hashlith.spark
from hashlith.spark._writing import Writer
from sets import TEXTS, load, names, numbered, save, write

# Tasks run functions of this file, which workers cannot import.
cloudpickle.register_pickle_by_value(sys.modules[__name__])
pytestmark = pytest.mark.filterwarnings("default")


def failing(marker, how):
    """A function of Arrow batches that fails the first time it sees key 4000."""

    def function(batches):
        for batch in batches:
            if "key4000" in batch.column("key").to_pylist():
                try:
                    os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
                except FileExistsError:
                    pass
                else:
                    # The builder has the rows before this one, some of them on disk.
                    yield batch
                    how()
            yield batch

    return function


def die():
    os.kill(os.getpid(), 9)


def raise_error():
    raise RuntimeError("a task that fails")


@pytest.mark.parametrize("how", [die, raise_error])
def test_a_task_that_fails_is_tried_again(start, tmp_path, how):
    """The first attempt is killed, or fails, in the middle of its part. The second one does all of it."""
    spark = start("local[2,3]")
    path, marker = tmp_path / "set", tmp_path / "marker"
    parted = hashlith.spark.partition(numbered(spark, 8000), 4)
    broken = parted.mapInArrow(failing(str(marker), how), parted.schema)
    save(broken, path)
    assert marker.exists()
    assert hashlith.verify(path).keys == 8000
    names(path)


class KilledWriter(Writer):
    """Its first process is killed in the middle of a part."""

    def write(self, iterator):
        def batches():
            for number, batch in enumerate(iterator):
                if number == 15:
                    try:
                        marker = os.open(f"{self.path}.killed", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
                    except FileExistsError:
                        pass
                    else:
                        open_now = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
                        own = [os.stat(path) for path in open_now if os.path.realpath(path).startswith(self.staging)]
                        os.write(marker, str(sum(file.st_size for file in own)).encode())
                        die()
                yield batch

        return super().write(batches())


class KilledSource(hashlith.spark.HashlithDataSource):
    @classmethod
    def name(cls):
        return "killed"

    def writer(self, schema, overwrite):
        return KilledWriter(dict(self.options), schema, overwrite)


def test_a_writer_that_is_killed_is_tried_again(start, tmp_path):
    """The process that writes the rows, not the one that makes them."""
    spark = start("local[2,3]", **{"spark.sql.execution.arrow.maxRecordsPerBatch": "100"})
    spark.dataSource.register(KilledSource)
    path = tmp_path / "set"
    long = numbered(spark, 8000).withColumn("value", F.concat("value", F.lit(" " * 15_000)))
    parted = hashlith.spark.partition(long, 4)
    parted.write.format("killed").options(path=str(path), parts=4, memory="32M").mode("overwrite").save()
    # 15 of the 20 batches of a part were written by then, not only to memory.
    assert int((tmp_path / "set.killed").read_text()) > 0
    assert hashlith.verify(path).keys == 8000
    with hashlith.open(path) as index:
        assert all(value.rstrip() == f"value{key[3:]}" for key, value in index.items())
    names(path)


def test_a_job_that_fails_leaves_nothing(start, tmp_path):
    spark = start("local[2,2]")
    path = tmp_path / "set"

    def always(batches):
        for batch in batches:
            yield batch
            if "key4000" in batch.column("key").to_pylist():
                raise RuntimeError("a task that always fails")

    parted = hashlith.spark.partition(numbered(spark, 8000), 4)
    with pytest.raises(Exception, match="a task that always fails"):
        save(parted.mapInArrow(always, parted.schema), path)
    assert not path.exists()
    write(numbered(spark, 10), path)
    before = names(path)
    with pytest.raises(Exception, match="a task that always fails"):
        save(parted.mapInArrow(always, parted.schema), path)
    assert names(path) == before


def test_speculative_attempts(start, cluster, tmp_path):
    """One task is slow once: Spark starts it again on the other machine while the first attempt runs."""
    spark = start(
        cluster,
        **{
            "spark.executor.memory": "512m",
            "spark.speculation": "true",
            "spark.speculation.interval": "50ms",
            "spark.speculation.multiplier": "1.1",
            "spark.speculation.quantile": "0.5",
            "spark.speculation.minTaskRuntime": "100ms",
        },
    )
    path, marker, attempts = tmp_path / "set", tmp_path / "marker", tmp_path / "attempts"
    attempts.mkdir()

    def slow(batches):
        from pyspark import TaskContext

        context = TaskContext.get()
        (attempts / f"{context.partitionId()}-{context.taskAttemptId()}").touch()
        for batch in batches:
            yield batch
            if "key4000" in batch.column("key").to_pylist():
                try:
                    os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
                    time.sleep(30)
                except FileExistsError:
                    pass

    parted = hashlith.spark.partition(numbered(spark, 8000), 4)
    save(parted.mapInArrow(slow, parted.schema), path)
    assert len(os.listdir(attempts)) > 4, "no task was started twice"
    assert hashlith.verify(path).keys == 8000
    names(path)


def test_what_a_killed_driver_left_is_removed(spark, tmp_path):
    """When nothing in it has changed for a day. Until then it may belong to a running job."""
    path = tmp_path / "set"
    write(numbered(spark, 10), path)
    for name, folder_hours, file_hours in ("old", 25, 25), ("busy", 25, 1), ("new", 1, 25):
        left = path / f".spark-{name}.tmp"
        left.mkdir()
        (left / "part-00000.7").write_bytes(b"half")
        os.utime(left / "part-00000.7", (time.time() - 3600 * file_hours,) * 2)
        os.utime(left, (time.time() - 3600 * folder_hours,) * 2)
    (path / f"part-00000-{'0' * 16}.hlith").write_bytes(b"whole, but never committed")
    assert load(spark, path).count() == 10
    write(numbered(spark, 20), path)
    kept = {name for name in os.listdir(path) if name.startswith(".spark-")}
    assert kept == {".spark-busy.tmp", ".spark-new.tmp"}
    for name in kept:
        os.utime(path / name / "part-00000.7", (0, 0))
        os.utime(path / name, (0, 0))
    write(numbered(spark, 30), path)
    names(path)


def test_two_jobs_leave_each_other_alone(tmp_path):
    """Each commits everything it has. The last one counts."""
    path = tmp_path / "set"
    writers = [Writer({"path": str(path)}, TEXTS, overwrite=True) for _ in range(2)]
    rows = [{f"key{number}": f"value{number}"} for number in range(2)]
    written = [
        writer.write(iter([pyarrow.record_batch({"key": list(row), "value": list(row.values())})]))
        for writer, row in zip(writers, rows)
    ]
    for writer, message, row in zip(writers, written, rows):
        writer.commit([message])
        with hashlith.open(path) as index:
            assert index == row
    names(path)
