"""Reading records quickly gives what reading them carefully gives."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from fmbench.errors import FmbenchError
from fmbench.store.files import NotJsonError
from fmbench.store.parsing import parse, parse_lines, split, validated
from fmbench.store.records import Measured, MetricRecord, RunRecord, StatusRecord, TableRecord, TrainingSummary
from tests.helpers import tiny_plan

WHERE = Path("a/file")
LEAST = {"schema": 1, "metric": "nfe", "name": "nfe", "value": 1.0}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
SCALARS = st.booleans() | st.integers() | st.floats() | st.text()
LINES = st.fixed_dictionaries(
    {key: st.just(value) for key, value in LEAST.items()}
    | {
        "value": st.none() | st.floats(),
        "error": st.none() | st.floats(),
        "n": st.integers(),
        "details": st.dictionaries(st.text(), VALUES, max_size=4),
        "protocol": st.dictionaries(st.text(), VALUES, max_size=4),
        "evaluation": st.dictionaries(st.text(), SCALARS, max_size=4),
        "reason": st.text(),
        "unknown": VALUES,
    }
)


def line(**fields):
    return json.dumps({**LEAST, **fields}).encode()


@given(LINES)
def test_any_line_reads_to_the_bit(fields):
    record = parse(MetricRecord, json.dumps(fields).encode(), WHERE)
    known = {key: value for key, value in fields.items() if key not in {"schema", "unknown"}}
    assert repr({key: getattr(record, key) for key in known}) == repr(known)
    assert parse_lines(MetricRecord, json.dumps(fields).encode() + b"\n", WHERE) == [record] or "nan" in repr(record)
    assert repr(parse(MetricRecord, json.dumps(record.dump()).encode(), WHERE)) == repr(record)


@given(LINES)
def test_a_table_reads_the_same_numbers(fields):
    content = json.dumps(fields).encode() + b"\n"
    (whole,), (brief,) = parse_lines(MetricRecord, content, WHERE), parse_lines(TableRecord, content, WHERE)
    shared = Measured.__struct_fields__
    assert repr([getattr(brief, key) for key in shared]) == repr([getattr(whole, key) for key in shared])
    if "NaN" not in content.decode() and "Infinity" not in content.decode():
        assert json.loads(bytes(brief.protocol)) == whole.protocol


@pytest.mark.parametrize("value", [1.0, math.nan])  # which is read in another way
@pytest.mark.parametrize("details", [{}, {"sets": [1.0, 2.0]}, {"warning": "few"}, {"sets": [3], "warning": "?"}])
def test_a_table_reads_sets_and_warnings(details, value):
    (brief,) = parse_lines(TableRecord, line(value=value, details=details, protocol={"a": [1]}) + b"\n", WHERE)
    assert len(brief.details.sets) == len(details.get("sets", [0]))
    assert brief.details.warning == details.get("warning")
    assert json.loads(bytes(brief.protocol)) == {"a": [1]}


@pytest.mark.parametrize("text", ["0.1", "1e-320", "2.2250738585072011e-308", "9007199254740993", "1e400", "-0.0"])
def test_a_number_is_the_double_nearest_to_its_digits(text):
    content = line().replace(b"1.0", text.encode())
    assert repr(parse(MetricRecord, content, WHERE).value) == repr(float(text))


def test_what_is_no_number_reads_as_such():
    content = line(value=math.nan, error=math.inf)
    assert b"NaN" in content
    for record in (parse(MetricRecord, content, WHERE), *parse_lines(MetricRecord, content + b"\n", WHERE)):
        assert math.isnan(record.value)
        assert record.error == math.inf


class TestLines:
    @pytest.mark.parametrize(
        "torn",
        [
            b'{"schema": 1, "met',
            b"",
            line(reason="?").replace(b"?", b"\xff"),
            line() + line(),
            line(value=0.5) + b"} ",
            b"\xff",
        ],
    )
    def test_torn_ones_are_skipped_wherever_they_are(self, torn):
        whole = line(value=2.0)
        content = b"\n".join([whole, torn, whole])
        assert [record.value for record in parse_lines(MetricRecord, content, WHERE)] == [2.0, 2.0]
        assert [text for text, _ in split(MetricRecord, content, WHERE)] == [whole, whole]

    def test_the_last_one_may_lack_its_end(self):
        assert len(parse_lines(MetricRecord, line() + b"\n" + line(), WHERE)) == 2

    @pytest.mark.parametrize(
        ("wrong", "reason"),
        [
            (line(schema=2), "install a newer fmbench"),
            (line(schema=None), "a/file has schema None, so fmbench did not write it"),
            (line(value="x"), r"a/file is damaged at 'value' \(Expected `float \| null`, got `str`\)"),
            (line(evaluation={"a": []}), "a/file is damaged at 'evaluation"),
            (b"[]", "a/file is not a record of fmbench"),
            (json.dumps({key: LEAST[key] for key in LEAST if key != "schema"}).encode(), "does not say its schema"),
            (b'{"schema": 1, "metric": "nfe"}', "a/file is damaged at 'name'"),
        ],
    )
    def test_one_that_is_no_record_is_refused_wherever_it_is(self, wrong, reason):
        for content in (wrong, line() + b"\n" + wrong + b"\n", wrong + b"\n" + line() + b"\n"):
            with pytest.raises(FmbenchError, match=reason) as caught:
                parse_lines(MetricRecord, content, WHERE)
            assert "\n" not in str(caught.value)

    def test_a_schema_inside_is_not_the_records_own(self):
        content = json.dumps({"metric": "a", "name": "a", "value": 1.0, "details": {"schema": 1}}).encode()
        with pytest.raises(FmbenchError, match="does not say its schema"):
            parse_lines(MetricRecord, content + b"\n", WHERE)


class TestRequests:
    @pytest.fixture
    def record(self):
        (run,) = tiny_plan(methods=["fm-ot"])
        return RunRecord(id="a", config_id="b", request=run.training, overrides=run.overrides, family=run.family)

    def test_they_read_as_they_were_asked(self, record):
        read = parse(RunRecord, json.dumps(record.dump()).encode(), WHERE)
        assert structs.replace(read, schema_=None) == record
        assert read.request.id == record.request.id

    @pytest.mark.parametrize(
        ("key", "value", "reason"),
        [
            ("lr", -1.0, r"damaged at 'request.train.lr' \(Input should be greater than 0\)"),
            ("mine", 1, r"damaged at 'request.train.mine' \(Extra inputs are not permitted\)"),
        ],
    )
    def test_a_wrong_setting_is_named(self, record, key, value, reason):
        content = record.dump()
        content["request"]["train"][key] = value
        with pytest.raises(FmbenchError, match=reason) as caught:
            parse(RunRecord, json.dumps(content).encode(), WHERE)
        assert "\n" not in str(caught.value)


def test_a_file_that_is_not_json_says_so():
    with pytest.raises(NotJsonError, match="a/file is not JSON"):
        parse(StatusRecord, b"{", WHERE)


def test_whole_numbers_do_for_others():
    content = b'{"schema": 1, "params": 1, "seconds": 2, "images": 3, "images_per_second": 4, "peak_memory_bytes": 5, '
    record = parse(TrainingSummary, content + b'"final_loss": 6}', WHERE)
    assert (type(record.seconds), record.final_loss) == (float, 6.0)
    careful = validated(TrainingSummary, json.loads(content + b'"final_loss": 6}'), WHERE)
    assert careful == record
    assert type(careful.seconds) is float
