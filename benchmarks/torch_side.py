"""torch's side of the benchmarks: the same networks and steps in torch's fastest form on this machine.

On a CPU it uses channels_last, fused Adam and float32. On a GPU it adds TF32, bfloat16 autocast, and the fastest of
plain calls, torch.compile, a CUDA graph of the whole step, and both.
"""

import copy
import time
from collections.abc import Callable

import numpy as np

from benchmarks.scans import examples, stored_volumes
from benchmarks.turns import Unavailable, Work
from dynjax.projection.weights import rank_pooling_weights

try:
    import torch
except ImportError:
    raise Unavailable("torch is not installed; make bench installs it") from None

from benchmarks import torch_networks


def epoch(network: str, extent: int, count: int, batch: int, platform: str) -> Work:
    """Runs one epoch over `count` random examples."""
    training = Training(network, extent, count, batch, platform)
    return Work(lambda times: [training.epoch() for _ in range(times)], training.about)


def folds(network: str, extent: int, count: int, batch: int, folds: int, epochs: int, platform: str) -> Work:
    """Trains folds one after the other, each from the same initial weights; saves nothing."""
    training = Training(network, extent, count, batch, platform)

    def run(times):
        for _ in range(folds * times):
            training.reset()
            for _ in range(epochs):
                training.epoch()

    return Work(run, training.about)


def dynamic_image(count: int, extent: int, dtype: str, platform: str) -> Work:
    """Multiplies the rank-pooling weights with the slices, cast to float32 first if the voxels are integers."""
    device = _device(platform)
    voxels = torch.from_numpy(stored_volumes(count, extent, dtype)).view(count, extent, -1).to(device)
    alpha = torch.from_numpy(rank_pooling_weights(extent).astype(np.float32)).to(device)

    def run(times):
        for _ in range(times):
            torch.matmul(alpha, voxels.float())
        _wait(device)

    return Work(run, {})


class Training:
    """A network in training on random examples that are stored on the device."""

    def __init__(self, network: str, extent: int, count: int, batch: int, platform: str):
        self.device = _device(platform)
        volumetric = network in torch_networks.VOLUMETRIC
        size = (extent,) * (2 + volumetric)
        self.layout = torch.channels_last_3d if volumetric else torch.channels_last
        torch.manual_seed(0)
        model = torch_networks.build(network, size, dropout=0.7 if volumetric else 0.5)
        self.model = model.to(self.device, memory_format=self.layout)
        self.initial = copy.deepcopy(model.state_dict())
        gpu = self.device == "cuda"
        self.optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True, capturable=gpu)
        inputs, labels = examples(count, (*size, 1 if volumetric else 3))
        self.inputs = torch.from_numpy(inputs).to(self.device)
        self.labels = torch.from_numpy(labels).long().to(self.device)
        order = np.resize(np.random.default_rng(0).permutation(count), (-(-count // batch), batch))
        self.order = torch.from_numpy(order).to(self.device)
        self.about = {"parameters": sum(p.numel() for p in model.parameters()), "form": "channels_last, fused Adam"}
        self.step = self.fastest_step() if gpu else self.plain_step(model)

    def plain_step(self, model: Callable) -> Callable:
        def step(index):
            inputs = self.inputs[index].movedim(-1, 1).contiguous(memory_format=self.layout)
            labels = self.labels[index]
            with torch.autocast("cuda", torch.bfloat16, enabled=self.device == "cuda", cache_enabled=False):
                logits = model(inputs)
            loss = torch.nn.functional.cross_entropy(logits.float(), labels)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
            return loss.detach(), (logits.argmax(1) == labels).float().mean()

        return step

    def fastest_step(self) -> Callable:
        """Tries each form of a step on a GPU; `about` names the fastest and the seconds of each."""
        plain, compiled = self.plain_step(self.model), self.plain_step(torch.compile(self.model))
        forms = {
            "plain": lambda: plain,
            "CUDA graph": lambda: self.graphed(plain),
            "torch.compile": lambda: compiled,
            "torch.compile, CUDA graph": lambda: self.graphed(compiled),
        }
        steps, seconds = {}, {}
        for name, make in forms.items():
            try:
                steps[name] = make()
                seconds[name] = self.seconds_of(steps[name])
            except Exception as error:  # this torch, driver or compiler does not support the form
                print(f"torch cannot do {name} here: {error}")
        best = min(seconds, key=seconds.__getitem__)
        self.about |= {"form": f"bfloat16 autocast, {self.about['form']}, {best}", "forms": seconds}
        return steps[best]

    def graphed(self, step: Callable) -> Callable:
        index = self.order[0].clone()
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                step(index)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            metrics = step(index)

        def replay(new):
            index.copy_(new)
            graph.replay()
            return metrics

        return replay

    def seconds_of(self, step: Callable, calls: int = 20) -> float:
        for timed in (False, True):
            _wait(self.device)
            start = time.perf_counter()
            for _ in range(calls if timed else 3):
                step(self.order[0])
            _wait(self.device)
        return (time.perf_counter() - start) / calls

    def epoch(self) -> None:
        for index in self.order:
            loss, _ = self.step(index)
        float(loss)  # waits for the device, once an epoch

    def reset(self) -> None:
        """Restores the initial weights in place, so that a captured graph keeps its memory."""
        self.model.load_state_dict(self.initial)
        for state in self.optimizer.state.values():
            for value in state.values():
                value.zero_()


def _device(platform: str) -> str:
    if platform == "cpu":
        return "cpu"
    if not torch.cuda.is_available():
        raise Unavailable(f"JAX uses a {platform} here and this torch finds no CUDA device")
    torch.set_float32_matmul_precision("high")  # TF32
    torch.backends.cudnn.benchmark = True
    return "cuda"


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
