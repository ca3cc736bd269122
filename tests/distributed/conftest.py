"""A real Spark on this machine, two tasks at a time. It needs Java 17 or later."""

import os
import signal
import socket
import subprocess
import sys
import tempfile

import pytest


@pytest.fixture(scope="session")
def start(tmp_path_factory):
    """Starts a session with these settings, which replaces the one before."""
    from pyspark.sql import SparkSession

    import hashlith.spark

    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    local = tmp_path_factory.mktemp("spark")
    running = {}

    def start(master="local[2]", **settings):
        if running.get("with") == (master, settings):
            return running["session"]
        if running:
            running["session"].stop()
        builder = SparkSession.builder.master(master).appName("tests")
        usual = {
            "spark.ui.enabled": "false",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.memory": "1g",
            "spark.local.dir": str(local),
            "spark.sql.warehouse.dir": str(local / "warehouse"),
            "spark.sql.shuffle.partitions": "4",
        }
        for name, value in {**usual, **settings}.items():
            builder = builder.config(name, value)
        session = builder.getOrCreate()
        session.sparkContext.setLogLevel("OFF")
        hashlith.spark.register(session)
        running.update({"with": (master, settings), "session": session})
        return session

    yield start
    if running:
        running["session"].stop()


@pytest.fixture(scope="session")
def cluster():
    """The address of a Spark cluster: a master and two workers, which look like two machines."""
    from pyspark.find_spark_home import _find_spark_home

    spark_class = os.path.join(_find_spark_home(), "bin", "spark-class")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"spark://127.0.0.1:{port}"
    deploy = "org.apache.spark.deploy"
    commands = [[f"{deploy}.master.Master", "--host", "127.0.0.1", "--port", str(port), "--webui-port", "0"]]
    for host in "127.0.0.1", "127.0.0.2":
        worker = [f"{deploy}.worker.Worker", "--host", host, "--cores", "1", "--memory", "1g", "--webui-port", "0"]
        commands.append([*worker, address])
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "SPARK_WORKER_DIR": folder, "SPARK_DAEMON_MEMORY": "256m"}
        environment.pop("SPARK_LOCAL_IP", None)
        processes = [
            subprocess.Popen(
                [spark_class, *command], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            for command in commands
        ]
        yield address
        for process in reversed(processes):
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()


@pytest.fixture
def spark(start):
    return start()
