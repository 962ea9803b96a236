from __future__ import annotations

import pytest
import yaml

from fmbench.errors import FmbenchError
from fmbench.request import files


@pytest.fixture
def write(tmp_path):
    """Write a configuration, and give its path."""

    def file(name, **content):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(content))
        return str(path)

    return file


class TestExtends:
    def test_own_keys_lie_over_those_of_what_is_extended_section_by_section(self, write):
        write("base.yaml", methods=["fm-ot"], train={"steps": 5, "lr": 0.5})
        top = write("top.yaml", extends="base.yaml", train={"lr": 0.25}, seeds=[1])
        assert files.read_config(top) == {
            "methods": ["fm-ot"],
            "train": {"steps": "5", "lr": "0.25"},
            "seeds": ["1"],
        }

    def test_of_several_the_later_lies_over_the_earlier(self, write):
        write("a.yaml", dataset="moons", seeds=[1])
        write("b.yaml", dataset="digits", methods=["ddpm"])
        top = write("top.yaml", extends=["a.yaml", "b.yaml"])
        assert files.read_config(top) == {"dataset": "digits", "methods": ["ddpm"], "seeds": ["1"]}

    def test_a_path_is_relative_to_the_file_that_extends_it(self, write):
        write("root.yaml", seeds=[7])
        write("below/base.yaml", extends="../root.yaml")
        assert files.read_config(write("top.yaml", extends="below/base.yaml")) == {"seeds": ["7"]}

    def test_a_name_is_a_shipped_configuration(self, write):
        extended = files.read_config(write("top.yaml", extends="toy-2d", seeds=[4]))
        assert extended == {**files.read_config("toy-2d"), "seeds": ["4"]}

    def test_two_may_extend_the_same_one(self, write):
        write("root.yaml", seeds=[7])
        write("a.yaml", extends="root.yaml", dataset="moons")
        write("b.yaml", extends="root.yaml", methods=["ddpm"])
        top = write("top.yaml", extends=["a.yaml", "b.yaml"])
        assert files.read_config(top) == {"dataset": "moons", "methods": ["ddpm"], "seeds": ["7"]}

    @pytest.mark.parametrize(
        ("extends", "text"),
        [
            ("b.yaml", "extend each other in a circle (TOP extends b.yaml extends top.yaml)"),
            ("absent.yaml", "cannot read configuration 'absent.yaml': No such file or directory (TOP extends absent.y"),
            ("toy-3d", "unknown configuration 'toy-3d'. Did you mean 'toy-2d'?"),
            ("torn.yaml", "torn.yaml is not YAML"),
            ("list.yaml", "list.yaml must be a mapping of keys to values (TOP extends list.yaml)"),
            (["b.yaml", ["c.yaml"]], "extends must be the name or path of a configuration, or a list of them"),
            (None, "extends must be the name or path of a configuration, or a list of them"),
        ],
    )
    def test_what_cannot_be_extended_is_one_line_that_names_the_chain(self, write, tmp_path, extends, text):
        (tmp_path / "torn.yaml").write_text("a: [")
        (tmp_path / "list.yaml").write_text("- a")
        write("b.yaml", extends="top.yaml")
        top = write("top.yaml", extends=extends)
        with pytest.raises(FmbenchError) as caught:
            files.read_config(top)
        assert text.replace("TOP", top) in str(caught.value)
        assert "\n" not in str(caught.value)
