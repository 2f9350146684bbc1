"""Convolutions of folds side by side, one after the other: `vmap` makes grouped ones of them, which are far slower."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap

Form = Callable[[jax.Array, jax.Array], jax.Array]


def one_by_one(form: Form) -> Form:
    """A convolution (x, kernel) -> y that `vmap` calls once for each pair that it is given, its gradient as well."""

    @jax.custom_vjp
    def convolve(x, kernel):
        return _each(form)(x, kernel)

    def gradients(x, kernel, gradient):
        return jax.vjp(form, x, kernel)[1](gradient)

    convolve.defvjp(lambda x, kernel: (convolve(x, kernel), (x, kernel)), lambda saved, g: _each(gradients)(*saved, g))
    return convolve


def _each(function: Callable) -> Callable:
    mapped = custom_vmap(function)

    @mapped.def_vmap
    def call_each(count, are_mapped, *arrays):
        calls = [[array[i] if its_own else array for array, its_own in zip(arrays, are_mapped)] for i in range(count)]
        outputs = [function(*call) for call in calls]
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *outputs), jax.tree.map(lambda _: True, outputs[0])

    return mapped
