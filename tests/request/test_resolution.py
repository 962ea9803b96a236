from __future__ import annotations

import pytest
import yaml

from fmbench import commands
from fmbench.api import MethodSpec, Option
from fmbench.errors import FmbenchError
from fmbench.registry.discovery import load_plugins
from fmbench.request.files import shipped_configs
from fmbench.request.schema import canonical


@pytest.fixture(scope="module")
def plugins():
    loaded = load_plugins(environ={})
    options = {
        "sigma": Option(default=0.1, gt=0, help="width"),
        "kind": Option(default="a", choices=("a", "b"), help=""),
    }
    loaded.register(MethodSpec("flow", "x:Y", provides=(), likelihoods=("exact",), native_sampler="inverse"))
    loaded.register(MethodSpec("optional", "x:Y", options=options))
    return loaded


@pytest.fixture
def plan(plugins):
    return lambda *assignments, **said: commands.plan(plugins, assignments=assignments, **said)


def test_the_default_is_the_main_job(plan):
    runs = plan()
    assert [run.training.method.name for run in runs] == ["fm-ot", "ddpm"]
    assert {run.training.dataset.name for run in runs} == {"digits"}
    assert {run.slug for run in runs} == {"default"}


def test_methods_of_a_run_share_network_budget_and_seed(plan):
    a, b = plan("train.steps=7", "network.width=32", seeds=[3])
    assert a.training.train == b.training.train
    assert a.training.network == b.training.network
    assert (a.training.seed, a.training.train.steps) == (3, 7)


def test_the_grid_is_methods_times_seeds(plan):
    runs = plan(methods=["fm-ot", "ddpm", "fm-ot"], seeds=[0, 1])
    assert [(run.training.method.name, run.training.seed) for run in runs] == [
        ("fm-ot", 0),
        ("fm-ot", 1),
        ("ddpm", 0),
        ("ddpm", 1),
    ]


def test_precedence_budget_file_set(plan, tmp_path):
    file = tmp_path / "e.yaml"
    file.write_text("methods: [fm-ot]\ndataset: moons\ntrain: {steps: 11, lr: 0.5}\n")
    (run,) = plan("train.lr=0.25", config=str(file))
    assert run.training.train.batch_size == 512  # the dataset's budget
    assert (run.training.train.steps, run.training.train.lr) == (11, 0.25)
    assert run.overrides == {"train.steps": 11, "train.lr": 0.25}


def test_scientific_notation_is_a_number(plan):
    assert plan("train.lr=1e-3")[0].training.train.lr == 1e-3


def test_another_network_does_not_inherit_the_options_of_the_first(plan):
    run = plan("network.name=unet")[0]
    assert run.training.network.name == "unet"
    assert "width" not in run.training.network.options


class TestSeveralDatasets:
    def test_the_grid_is_datasets_times_methods(self, plan):
        runs = plan(methods=["fm-ot", "ddpm"], dataset=["digits", "moons"])
        assert [(run.training.dataset.name, run.training.method.name) for run in runs] == [
            ("digits", "fm-ot"),
            ("digits", "ddpm"),
            ("moons", "fm-ot"),
            ("moons", "ddpm"),
        ]
        assert runs.notes == ()

    def test_each_has_its_own_defaults_and_is_the_run_that_it_is_alone(self, plan):
        assert list(plan(dataset="digits, moons")) == [*plan(dataset="digits"), *plan(dataset="moons")]

    def test_a_file_may_list_them(self, plan, tmp_path):
        file = tmp_path / "e.yaml"
        file.write_text("methods: [fm-ot]\ndataset: [moons, 8gaussians, moons]\n")
        assert [run.training.dataset.name for run in plan(config=str(file))] == ["moons", "8gaussians"]

    def test_a_method_is_passed_over_where_it_cannot_model_the_data(self, plan):
        runs = plan(methods=["glow", "fm-ot"], dataset=["digits", "moons"])
        assert [(run.training.dataset.name, run.training.method.name) for run in runs] == [
            ("digits", "glow"),
            ("digits", "fm-ot"),
            ("moons", "fm-ot"),
        ]
        assert runs.notes == ("glow does not model vector data: passed over on moons",)

    def test_a_named_metric_is_passed_over_where_it_does_not_exist(self, plan):
        digits, moons = plan(methods=["fm-ot"], dataset=["digits", "moons"], metrics=["fid", "w2"])
        assert list(digits.evaluation.metrics) == ["fid"]
        assert list(moons.evaluation.metrics) == ["w2"]
        assert plan(dataset=["digits", "moons"], metrics=["fid", "w2"]).notes == (
            "fid does not exist on moons (it is vector data): passed over there",
            "w2 does not exist on digits (it is image data): passed over there",
        )

    @pytest.mark.parametrize(
        ("said", "text"),
        [
            ({"methods": ["glow"]}, "method 'glow' models image data, and moons is vector data"),
            ({"metrics": ["fid"]}, "metrics: fid does not exist on moons: it is vector data"),
        ],
    )
    def test_what_exists_on_none_of_them_is_an_error(self, plan, said, text):
        with pytest.raises(FmbenchError, match=text):
            plan(dataset=["moons", "8gaussians"], **said)


class TestIdentity:
    def test_it_is_of_what_was_asked_with_defaults_filled_in(self, plan):
        assert plan()[0].training.id == plan("train.steps=2400")[0].training.id
        assert plan()[0].training.id != plan("train.steps=2401")[0].training.id
        assert plan()[0].training.id != plan("options.fm-ot.sigma_min=0.01")[0].training.id

    def test_devices_are_no_part_of_it(self, plan):
        one, four = plan()[0], plan("train.devices=4")[0]
        assert four.training.train.devices == 4
        assert (four.training.id, four.training.config_id) == (one.training.id, one.training.config_id)
        assert (four.overrides, four.slug) == ({}, "default")
        assert "devices" not in canonical(four.training.model_dump())

    def test_seeds_share_a_configuration(self, plan):
        a, b = plan(methods=["ddpm"], seeds=[0, 1])
        assert a.training.config_id == b.training.config_id
        assert a.training.id != b.training.id

    def test_evaluation_is_not_part_of_it(self, plan):
        assert plan()[0].training.id == plan("sampler.name=heun", "nll.draws=5")[0].training.id

    def test_it_is_stable(self, plan):
        """A change of this value orphans every stored result: raise PROTOCOL only when numbers change meaning."""
        content = plan(methods=["fm-ot"])[0].training.model_dump()
        assert canonical({"b": 1, "a": [1.5]}) == '{"a":[1.5],"b":1}'
        assert content["protocol"] == 1
        assert set(content) == {"protocol", "dataset", "method", "network", "train", "seed"}


class TestSampler:
    def test_velocity_methods_get_dopri5(self, plan):
        for run in plan():
            assert (run.evaluation.sampler.name, run.evaluation.sampler.rtol) == ("dopri5", 1e-5)

    def test_others_get_their_own(self, plan):
        assert plan(methods=["flow"])[0].evaluation.sampler.name == "inverse"

    def test_native_is_resolved(self, plan):
        sampler = plan("sampler.name=native", methods=["ddpm"])[0].evaluation.sampler
        assert (sampler.name, sampler.steps) == ("ancestral", 1000)

    @pytest.mark.parametrize(
        ("method", "option", "steps"),
        [("ddpm", "timesteps", 40), ("smld", "levels", 7)],
    )
    def test_an_option_may_give_the_native_steps(self, plan, method, option, steps):
        setting = f"options.{method}.{option}={steps}"
        assert plan(setting, "sampler.name=native", methods=[method])[0].evaluation.sampler.steps == steps
        few = plan(setting, "sampler.name=native", "sampler.steps=3", methods=[method])
        assert few[0].evaluation.sampler.steps == 3

    @pytest.mark.parametrize(
        ("assignments", "text"),
        [
            (["sampler.name=hein"], "unknown sampler 'hein'. Did you mean 'heun'?"),
            (["sampler.name=dopri5", "sampler.steps=5"], "sampler.steps = 5: dopri5 chooses its own steps"),
        ],
    )
    def test_refusals(self, plan, assignments, text):
        with pytest.raises(FmbenchError) as caught:
            plan(*assignments)
        assert text in str(caught.value)

    def test_a_sampler_that_a_method_cannot_use_is_refused_with_those_it_can(self, plan):
        with pytest.raises(FmbenchError, match="flow cannot be sampled by 'euler'; it can by: inverse"):
            plan("sampler.name=euler", methods=["flow"])


@pytest.mark.parametrize(
    ("assignments", "said", "text"),
    [
        ([], {"methods": ["fm-to"]}, "unknown method 'fm-to'. Did you mean 'fm-ot'?"),
        ([], {"dataset": "digit"}, "unknown dataset 'digit'. Did you mean 'digits'?"),
        ([], {"config": "tou-2d"}, "unknown configuration 'tou-2d'. Did you mean 'toy-2d'?"),
        ([], {"methods": []}, "methods = []: must be"),
        (["tarin.steps=5"], {}, "unknown key 'tarin'. Did you mean 'train'?"),
        (["train.stpes=5"], {}, "unknown key of train 'stpes'. Did you mean 'steps'?"),
        (["network.widht=5"], {}, "unknown key of network 'widht'. Did you mean 'width'?"),
        (["network.name=mpl"], {}, "unknown network 'mpl'. Did you mean 'mlp'?"),
        (
            ["network.name=unet"],
            {"dataset": "moons"},
            "made for image or pair data, and moons is vector data; choose from: mlp",
        ),
        (["nll.drawz=5"], {}, "unknown key of nll 'drawz'. Did you mean 'draws'?"),
        (["options.fm-tt.sigma_min=1"], {}, "unknown method 'fm-tt'. Did you mean 'fm-ot'?"),
        (["options.fm-ot.sigma=1"], {}, "unknown key of options.fm-ot 'sigma'. Did you mean 'sigma_min'?"),
        (["metrics=[fidd]"], {}, "unknown metric 'fidd'. Did you mean 'fid'?"),
        (["metrics=[fid]"], {"dataset": "moons"}, "metrics: fid does not exist on moons: it is vector data"),
        (["train.steps=0"], {}, "train.steps = 0: must be greater than or equal to 1"),
        (["train.steps=many"], {}, "train.steps = 'many': must be a valid integer"),
        (["train.lr=nan"], {}, "train.lr = 'nan': must be a finite number"),
        (["train.decay=cosin"], {}, "train.decay = 'cosin': must be 'cosine', 'linear' or 'constant'"),
        (["train=5"], {}, "train must be a mapping"),
        (["options.fm-ot.sigma_min=0"], {}, "options.fm-ot.sigma_min = 0: must be greater than 0"),
        (
            ["options.optional.kind=c"],
            {"methods": ["optional"]},
            "options.optional.kind = 'c': must be one of a, b",
        ),
        (["train.steps"], {}, "--set 'train.steps': write key=value"),
        (["options.fm-ve.sigma_min=0"], {"methods": ["fm-ve"]}, "options.fm-ve.sigma_min = 0: must be greater than 0"),
        (
            ["options.vp-sde.beta_max=0.05"],
            {"methods": ["vp-sde"]},
            "options.vp-sde.beta_max = 0.05: must be greater than options.vp-sde.beta_min = 0.1",
        ),
        (
            ["options.ve-sde.sigma_min=200"],
            {"methods": ["ve-sde"]},
            "options.ve-sde.sigma_max = 100.0: must be greater than options.ve-sde.sigma_min = 200",
        ),
        (
            ["options.ddpm.timesteps=19"],
            {"methods": ["ddpm"]},
            "options.ddpm.timesteps = 19: must be greater than or equal to 20",
        ),
        (["options.sb-cfm.sigma=0"], {"methods": ["sb-cfm"]}, "options.sb-cfm.sigma = 0: must be greater than 0"),
        (["options.ot-cfm.solver=emb"], {"methods": ["ot-cfm"]}, "must be one of assignment, emd"),
        ([], {"methods": ["glow"], "dataset": "moons"}, "method 'glow' models image data, and moons is vector data"),
        (
            ["sampler.name=langevin"],
            {"methods": ["ot-cfm"]},
            "ot-cfm cannot be sampled by 'langevin'; it can by: dopri5, euler, midpoint, heun, rk4",
        ),
        (
            ["sampler.name=dopri5"],
            {"methods": ["smld"]},
            "smld cannot be sampled by 'dopri5'; it can by: ddim, dpm-solver, ancestral, euler-maruyama",
        ),
        (
            ["sampler.name=heun", "sampler.snr=0.2"],
            {},
            "sampler.snr: heun does not read it; those that do: pc, pc-em, langevin",
        ),
        (["sampler.guidance=2"], {}, "sampler.guidance = 2: guides models trained on classes; set train.conditional"),
        (
            ["train.conditional=true"],
            {"methods": ["ot-cfm"]},
            "train.conditional = true: method 'ot-cfm' has no classes",
        ),
        (["train.conditional=true"], {"dataset": "moons"}, "train.conditional = true: dataset 'moons' has no classes"),
        (["seeds=[-1]"], {}, "must be"),
        ([], {"dataset": []}, "dataset = []: must be"),
        ([], {"dataset": "digits,mons"}, "unknown dataset 'mons'. Did you mean 'moons'?"),
    ],
)
def test_what_makes_no_sense_is_one_line_that_names_it(plan, assignments, said, text):
    with pytest.raises(FmbenchError) as caught:
        plan(*assignments, **said)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("- a\n", "must be a mapping"),
        ("methods: [", "is not YAML"),
        ("methods: [fm-ot]\nstesp: 5\n", "unknown key 'stesp'"),
    ],
)
def test_bad_files(plan, tmp_path, content, text):
    file = tmp_path / "e.yaml"
    file.write_text(content)
    with pytest.raises(FmbenchError, match=text):
        plan(config=str(file))


def test_a_missing_file(plan, tmp_path):
    with pytest.raises(FmbenchError, match="cannot read configuration"):
        plan(config=str(tmp_path / "absent.yaml"))


@pytest.mark.parametrize("file", shipped_configs(), ids=lambda file: file.stem)
def test_shipped_configurations_resolve(plan, file):
    assert plan(config=file.stem)
    assert isinstance(yaml.safe_load(file.read_text()), dict)
