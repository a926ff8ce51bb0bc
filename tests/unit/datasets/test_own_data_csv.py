"""ImageCSV: a person's own pictures, listed in a table."""

import pytest

from dassl.utils.errors import UserError
from datasets.own.image_csv import ImageCSV
from tests.support.own_pictures import (
    by_part,
    class_images,
    own_cfg,
    rows,
    write_images,
    write_table,
)

TABLE = """path,label,classname,split
a/1.jpg,0,great dane,train
b 2.jpg,1,"cat, tabby",train
a/3.jpg,0,great dane,val
4.jpg,0,great dane,test
ü.jpg,1,"cat, tabby",test
"""
IMAGES = ("a/1.jpg", "b 2.jpg", "a/3.jpg", "4.jpg", "ü.jpg")


@pytest.fixture
def folder(tmp_path):
    return write_images(tmp_path / "pets", *IMAGES)


def read(folder, **options):
    return ImageCSV(own_cfg(folder, **options))


EXPECTED = [
    [("a/1.jpg", 0, "great dane"), ("b 2.jpg", 1, "cat, tabby")],
    [("a/3.jpg", 0, "great dane")],
    [("4.jpg", 0, "great dane"), ("ü.jpg", 1, "cat, tabby")],
]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_table_with_splits_is_taken_as_it_is(folder, encoding, newline):
    write_table(folder, TABLE.replace("\n", newline), encoding=encoding)
    found = read(folder)
    assert by_part(found, folder) == EXPECTED
    assert found.classnames == ["great dane", "cat, tabby"] and found.split_note == ""


def test_columns_may_stand_in_any_order_beside_others(folder):
    header, *lines = TABLE.splitlines()
    lines = [header.replace("path", "Path ") + ",note", *(f"{line},x" for line in lines)]
    write_table(folder, "\n\n".join(lines))
    assert by_part(read(folder), folder) == EXPECTED
    write_table(folder, "split, classname ,path\ntrain,cat,4.jpg\n test , cat, a/1.jpg\n")
    train, val, test = by_part(read(folder), folder)
    assert (train, val, test) == ([("4.jpg", 0, "cat")], [], [("a/1.jpg", 0, "cat")])


def test_without_labels_classes_count_by_name(folder):
    lines = "path,classname,split\na/1.jpg,dog,train\n4.jpg,cat,train\nü.jpg,dog,test"
    found = read(write_table(folder, lines))
    assert found.classnames == ["cat", "dog"]
    assert rows(found.test, folder) == [("ü.jpg", 1, "dog")]


def test_three_tables_are_three_parts(folder):
    header, *lines = TABLE.replace(",split", "").splitlines()
    for part in ("train", "val", "test"):
        own = [line.removesuffix(f",{part}") for line in lines if line.endswith(f",{part}")]
        write_table(folder, "\n".join([header, *own]), f"{part}.csv")
    assert by_part(read(folder), folder) == EXPECTED
    (folder / "val.csv").unlink()
    assert by_part(read(folder), folder) == [EXPECTED[0], [], EXPECTED[2]]


def test_validation_images_serve_as_test_where_there_are_no_others(folder, caplog):
    write_table(folder, TABLE.replace(",test", ",val"))
    found = read(folder)
    assert found.val == [] and len(found.test) == 3
    assert "its 3 validation images serve as test images" in caplog.text


def test_without_splits_each_class_is_cut_whatever_the_order_of_lines(tmp_path, caplog):
    paths = class_images(("cat", "dog"), 10)
    folder = write_images(tmp_path, *paths)
    lines = [f"{path},{path.split('/')[0]}" for path in paths]
    found = []
    for order in (lines, lines[::-1]):
        write_table(folder, "\n".join(["path,classname", *order]))
        found.append(by_part(read(folder), folder))
    assert [len(part) for part in found[0]] == [10, 4, 6]
    assert found[0] == found[1]
    assert "10 / 4 / 6 images; a column split (train, val, test) says it otherwise" in caplog.text


def test_few_shots_and_base_and_new_classes(tmp_path):
    names = [f"class {i}" for i in range(5)]
    paths = class_images(names, 10)
    folder = write_images(tmp_path, *paths)
    lines = [f"{path},{path.split('/')[0]}" for path in paths]
    write_table(folder, "\n".join(["path,classname", *lines]))
    base, new = (read(folder, shots=2, subsample=half) for half in ("base", "new"))
    assert (base.classnames, new.classnames) == (names[:3], names[3:])
    assert len(base.train_x) == 6 and len(new.train_x) == 4 and len(new.test) == 6


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("", "images.csv:1: no column path and classname in the header ''"),
        ("path;classname\n", "images.csv:1: no column path and classname in the header 'path;cl"),
        ("path,class\n", "images.csv:1: no column classname in the header 'path,class'; the first"),
        ("path,path,classname\n", "images.csv:1: two columns of one name"),
        ("path,classname\n", "images.csv lists no image"),
        ("path,classname\n4.jpg\n", "images.csv:2: not as many fields as in the"),
        ("path,classname\n4.jpg,cat, tabby\n", "images.csv:2: not as many fields as in the"),
        ('path,classname\n4.jpg,"cat\n', "images.csv:2: no comma-separated line"),
        ("path,classname\n4.jpg, \n", "images.csv:2: no classname"),
        ("path,classname\n../4.jpg,cat\n", "images.csv:2: the path '../4.jpg' does not stay in"),
        ("path,classname\n/4.jpg,cat\n", "images.csv:2: the path '/4.jpg' does not stay in"),
        ("path,classname\na\\4.jpg,cat\n", "with forward slashes"),
        ("path,classname\n,cat\n", "images.csv:2: the path '' does not stay in"),
        ("path,label,classname\n\n4.jpg,one,cat\n", "images.csv:3: the label 'one' is no whole nu"),
        ("path,label,classname\n4.jpg,-1,cat\n", "images.csv:2: the label '-1' is no whole number"),
        ("path,label,classname\n4.jpg,1.0,cat\n", "images.csv:2: the label '1.0' is no whole numb"),
        ("path,label,classname\n4.jpg,,cat\n", "images.csv:2: the label '' is no whole number"),
        (
            f"path,label,classname\n4.jpg,{'9' * 5000},cat\n",
            f"images.csv:2: the label '{'9' * 20}' is no whole number from 0 of at most 9 digit",
        ),
        (
            "path,classname,split\n4.jpg,cat,valid\n",
            "the split 'valid' is none of train, val, test",
        ),
        (
            "path,classname,split\n4.jpg,cat,train\n./4.jpg,cat,test\n",
            "images.csv: 4.jpg is listed in train and test; list it once",
        ),
        (
            "path,label,classname,split\n4.jpg,0,cat,train\nü.jpg,0,dog,test\n",
            "images.csv: label 0 has the names cat, dog",
        ),
        (
            "path,label,classname\n4.jpg,0,cat\nü.jpg,1,cat\n",
            "images.csv:3: the class cat has labe",
        ),
        (
            "path,label,classname,split\n4.jpg,0,cat,train\nü.jpg,2,dog,train\na/1.jpg,0,cat,test\n",
            "no image of label 1, but the class dog has label 2; labels count from 0 without gaps",
        ),
        (
            "path,classname,split\n4.jpg,cat,train\nü.jpg,dog,test\n",
            "no training image for class dog (label 1)",
        ),
        ("path,classname,split\n4.jpg,cat,train\n", "images.csv: no test images; give each class"),
        ("path,classname,split\n4.jpg,cat,test\n", "images.csv: no training images; give each"),
        (
            "path,classname,split\n4.jpg,cat,train\nno.jpg,cat,test\n",
            "1 of 2 listed images are not in ",
        ),
        ("path,classname\n4.jpg,cat\n", "too few images to cut a class into train, val and test"),
    ],
)
def test_a_wrong_table_is_refused_in_one_line(folder, lines, message):
    write_table(folder, lines)
    with pytest.raises(UserError) as error:
        read(folder)
    assert message in str(error.value)
    assert len(error.value.problems) == 1 and "\n" not in str(error.value)
    assert "published" not in str(error.value)


def test_a_table_that_is_no_utf8_is_refused(folder):
    write_table(folder, "path,classname\nü.jpg,Möwe\n", encoding="latin-1")
    with pytest.raises(UserError, match=r"images.csv cannot be read as text .*; save it as UTF-8"):
        read(folder)


def test_a_table_that_cannot_be_opened_is_named(folder, monkeypatch):
    def refuse(path, *_args, **_options):
        raise PermissionError(13, "Permission denied", path)

    write_table(folder, TABLE)
    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(UserError, match=r"images.csv cannot be opened \(Permission denied\); make"):
        read(folder)


def test_tables_that_contradict_each_other_are_refused(folder):
    write_table(folder, TABLE)
    write_table(folder, TABLE, "train.csv")
    with pytest.raises(UserError, match=r"has images.csv and train.csv; keep images.csv or the"):
        read(folder)
    (folder / "images.csv").unlink()
    write_table(folder, "path,classname\n4.jpg,great dane\n", "test.csv")
    write_table(folder, "path,label,classname\na/1.jpg,0,great dane\n", "train.csv")
    with pytest.raises(UserError, match=r"test.csv:2: the class great dane has label None, and 0"):
        read(folder)


def test_no_table_and_no_folder(folder):
    with pytest.raises(UserError, match=r"neither images.csv nor train.csv in .*; write one"):
        read(folder)
    with pytest.raises(UserError, match=r"^ImageCSV: no folder .*/no; set --root"):
        read(folder / "no")
