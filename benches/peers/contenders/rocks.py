"""RocksDB by way of rocksdict."""

from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .base import Contender, sorted_pairs


class Rocks(Contender):
    name = "rocksdict (RocksDB)"
    settings = ("sorted, SstFileWriter, one file ingested; raw mode, Bloom filter of 10 bits, blocks of 1 KiB with a hash, no "
                "compression but that keys share prefixes; read-only, mapped reads, no block cache; get(k), get(list)")
    kind = "compressed"
    text = False
    batches = True

    def version(self) -> str:
        import rocksdict

        return version(rocksdict.__name__)

    def options(self) -> Any:
        from rocksdict import BlockBasedOptions, ChecksumType, DataBlockIndexType, DBCompressionType, Options

        blocks = BlockBasedOptions()
        blocks.set_bloom_filter(10, False)
        blocks.set_data_block_index_type(DataBlockIndexType.binary_and_hash())
        blocks.set_data_block_hash_ratio(0.75)
        blocks.set_checksum_type(ChecksumType.no_checksum())
        blocks.set_block_size(1024)
        blocks.disable_cache()
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_compression_type(DBCompressionType.none())
        options.set_block_based_table_factory(blocks)
        options.set_allow_mmap_reads(True)
        options.set_advise_random_on_open(True)
        options.set_max_open_files(-1)
        return options

    def build(self, source: Path, folder: Path) -> None:
        from rocksdict import Rdict, SstFileWriter

        table = folder / "pairs.sst"
        writer = SstFileWriter(self.options())
        writer.open(str(table))
        for key, value in sorted_pairs(source):
            writer[key] = value
        writer.finish()
        database = Rdict(str(folder / "database"), self.options())
        database.ingest_external_file([str(table)])
        database.close()
        table.unlink(missing_ok=True)

    def open(self, source: Path, folder: Path, shared: Any) -> Any:
        from rocksdict import AccessType, Rdict

        return Rdict(str(folder / "database"), self.options(), access_type=AccessType.read_only())

    def getter(self, handle: Any) -> Callable[[Any], Any]:
        return handle.get  # type: ignore[no-any-return]

    def get_many(self, handle: Any, keys: Sequence[Any]) -> Sequence[Any]:
        return handle.get(keys)  # type: ignore[no-any-return]
