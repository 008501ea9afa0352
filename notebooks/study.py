# ---
# jupyter:
#   jupytext:
#     notebook_metadata_filter: kernelspec,jupytext
#     cell_metadata_filter: -all
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Which compressed model should run on a CPU?
#
# FinCompress compresses a BERT text classifier in several ways, measures each on this machine,
# and says which one to deploy. This notebook does that for a whole study, in Python: what the
# study asks, what it builds, what came out, on which sentences compression changed the answer,
# and how to use the winner.
#
# It was made from `notebooks/study.py` by `make notebook`, which also runs it.

# %% [markdown]
# ## Set up
#
# In a clone of the project nothing is left to install. In Colab, give the address of the
# repository.

# %%
import os
import subprocess
import sys
import warnings
from pathlib import Path

REPOSITORY = ""  # in Colab: the address to clone, as in https://github.com/OWNER/fincompress

if Path.cwd().name == "notebooks":
    os.chdir("..")  # the store of runs and models, mlflow.db, is beside the folder experiments
elif "google.colab" in sys.modules and not Path("pyproject.toml").exists():
    if not REPOSITORY:
        raise ValueError("REPOSITORY: set it to the address of the repository, above")
    subprocess.run(["git", "clone", "--quiet", REPOSITORY, "project"], check=True)
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "./project"], check=True)
    os.chdir("project")

if "MLFLOW_TRACKING_URI" not in os.environ:
    os.environ["MLFLOW_TRACKING_URI"] = "sqlite:///mlflow.db"
warnings.filterwarnings("ignore", message=".*ipywidgets")  # progress bars are texts here

# %% [markdown]
# ## The study
#
# `quickstart` compresses MiniLM-L6 on synthetic sentences, so that it needs neither a download
# nor a licence; its scores say nothing of real text. `cpu` does the same on Financial PhraseBank
# and FiQA, in an hour or two, and needs their files: `DATA_DIR`, or the Hugging Face Hub.

# %%
STUDY = "quickstart"
DATA_DIR = None  # the folder of the corpora, for the study cpu

# %%
import fincompress

study = fincompress.Study.load(STUDY)
print(study.description)
print("labels:", ", ".join(study.data.labels))
print("the champion may lose at most", 100 * study.gate.max_f1_drop, "points of macro-F1")

# %% [markdown]
# A *variant* applies one technique to a source: the base model, or another variant. The plan says
# what has to be built, and how long that takes on this machine.

# %%
steps = fincompress.run("plan", study=STUDY, data_dir=DATA_DIR)

# %% [markdown]
# ## Build, measure, promote
#
# `main` builds every variant in an MLflow run of its own, and registers it; then it measures all
# of them in turns, beside the same models as other people run them, and gives the alias
# `champion` to the fastest variant that passes the gate. What is up to date is not built again.

# %%
results = fincompress.run("main", study=STUDY, data_dir=DATA_DIR)

# %% [markdown]
# ## What came out
#
# Test macro-F1 with its 95 % interval, the difference from the teacher, and speed, for each
# model.

# %%
import pandas as pd

pd.DataFrame(
    [
        {
            "variant": each.variant,
            "engine": each.runtime,
            "test macro-F1": each.metrics["test/macro_f1"],
            "low": each.intervals["test/macro_f1"][0],
            "high": each.intervals["test/macro_f1"][1],
            "points to the teacher": 100 * each.metrics.get("test/f1_vs_teacher", 0),
            "one text, ms": each.metrics["bench/latency_p50_ms"],
            "times as fast": each.metrics.get("bench/speedup_vs_teacher", 1),
            "MB": each.metrics.get("bench/size_mb"),
        }
        for each in results.measurements
        if "test/macro_f1" in each.metrics
    ]
).set_index("variant").round(3)

# %% [markdown]
# The figures are in the MLflow run of the benchmark. First F1 against latency: marks are as large
# as the model on disk, and the line joins what nothing beats in both.

# %%
import mlflow
from IPython.display import Image, display

mlflow.set_tracking_uri(os.environ["MLFLOW_TRACKING_URI"])
(benchmark,) = mlflow.search_runs(
    search_all_experiments=True,
    filter_string=f"run_name = 'benchmark' and tags.fincompress.study = '{STUDY}'",
    order_by=["start_time DESC"],
    max_results=1,
    output_format="list",
)


def show(figure: str, run=benchmark) -> None:
    """Show a figure of an MLflow run."""
    file = mlflow.artifacts.download_artifacts(
        run_id=run.info.run_id, artifact_path=f"{figure}.png"
    )
    display(Image(file, width=900))


show("f1_against_latency")

# %% [markdown]
# Is the median typical? Each timed call:

# %%
show("latency_distributions")

# %% [markdown]
# What students learned in each epoch, which labels are taken for which, and whether scores can be
# taken as probabilities:

# %%
show("distillation_curves")

# %%
show("confusion")

# %%
show("reliability")

# %% [markdown]
# ## Where compression changed the answer
#
# The test sentences on which a variant contradicts its teacher most.

# %%
file = mlflow.artifacts.download_artifacts(f"runs:/{benchmark.info.run_id}/disagreements.csv")
pd.set_option("display.max_colwidth", 100)
pd.read_csv(file)[["variant", "text", "label", "teacher_answer", "answer", "score"]].head(10)

# %% [markdown]
# ## Ask the champion
#
# By its alias, beside the teacher, with the time that each takes for one text.

# %%
import time

texts = ["Profit rose 12 % .", "Sales fell sharply .", "The company is based in Helsinki ."]
for alias in ("teacher", "champion"):
    model = fincompress.load(alias, study=STUDY)
    model.predict(texts)  # an engine's first call prepares it
    began = time.perf_counter()
    answers = [model.predict([text])[0] for text in texts]
    milliseconds = 1e3 * (time.perf_counter() - began) / len(texts)
    print(
        f"{alias}: {model.artifact.manifest.parameters:,} parameters, {milliseconds:.2f} ms a text"
    )
    for text, answer in zip(texts, answers, strict=True):
        print(f"  {answer['label']:<9} {answer['score']:.2f}  {text}")

# %% [markdown]
# Production loads the same version with MLflow alone:
# `mlflow.pyfunc.load_model("models:/fincompress-quickstart@champion")`.
#
# ## Take it along
#
# A saved model is a folder that needs no registry, here or on another machine; `push` puts the
# same folder on the Hugging Face Hub.

# %%
from tempfile import TemporaryDirectory

with TemporaryDirectory(prefix="saved-", dir=".") as folder:
    saved = Path(Path(folder).name, "champion")
    fincompress.run("push", study=STUDY, model="champion", save=saved)
    print(*sorted(path.name for path in saved.iterdir()))
    print(fincompress.load(saved).predict(texts[:1]))

# %% [markdown]
# ## Show it
#
# * `make ui`: every run and version in MLflow;
# * `python -m fincompress demo`: ask the variants side by side, in the browser;
# * `python -m fincompress report --html report.html`: all of this as one page that needs no server;
# * `python -m fincompress init my-study --data reviews.csv`: the same for your own texts.
