"""Solve A x = b directly and by conjugate gradients: of any size, and with nothing overwritten."""

import numpy as np
import pandas as pd
import scipy.linalg
import torch

import minfluence as mi
from inputs.examples import LOGISTIC, THETA, X, Y, linear
from inputs.table import agree, holds, refused, right, right_or_told, told
from minfluence import Hessian, cg, direct, factorize

ROOT = np.random.default_rng(11).standard_normal((4, 4))
A = ROOT @ ROOT.T + np.eye(4)
B = np.random.default_rng(12).standard_normal((4, 2))
X_AB = np.linalg.solve(A, B)
SINGULAR = np.diag([1.0, 2.0, 0.0])
NOT_POSITIVE = r"eigenvalue -|eigenvalue 0|non-positive eigenvalue|singular|not positive"


def cases():
    yield from of_shapes_and_numbers()
    yield from of_matrices()
    yield from of_nothing_overwritten()
    yield from of_size()
    yield from of_singular_systems()
    yield from of_options()


def of_shapes_and_numbers():
    nan = np.array([np.nan, 1])
    for name, solve in {"direct": direct, "cg": cg}.items():
        yield refused(
            f"{name}: b too long", solve, np.eye(2), np.ones(3), saying="shape|length|match"
        )
        yield refused(f"{name}: b a number", solve, np.eye(1), 1.0, saying="vector|shape")
        yield refused(
            f"{name}: b of three axes", solve, A, np.ones((4, 2, 2)), saying="vector|shape|\\(p"
        )
        yield refused(f"{name}: b of strings", solve, np.eye(2), ["a", "b"], saying="number")
        yield refused(
            f"{name}: b complex", solve, np.eye(2), np.ones(2) * 1j, saying="number|complex"
        )
        yield refused(f"{name}: NaN in b", solve, np.eye(2), nan, saying="NaN")
        yield refused(
            f"{name}: NaN in A", solve, np.full((2, 2), np.nan), np.ones(2), saying="NaN|finite"
        )
        yield refused(
            f"{name}: infinity in A",
            solve,
            np.diag([1, np.inf]),
            np.ones(2),
            saying="infinit|finite",
        )
        yield refused(
            f"{name}: A not square", solve, np.ones((3, 2)), np.ones(3), saying="square|shape"
        )
        yield right(
            f"{name}: no right-hand sides",
            lambda solve: solve(A, np.ones((4, 0))).x.shape,
            solve,
            expected=(4, 0),
        )
        yield right(
            f"{name}: b of zeros",
            lambda solve: solve(A, np.zeros(4)).x,
            solve,
            expected=np.zeros(4),
        )
        yield right(f"{name}: a block", lambda solve: solve(A, B).x, solve, expected=X_AB)
        yield right(
            f"{name}: A in lists", lambda solve: solve(A.tolist(), B).x, solve, expected=X_AB
        )
        yield right(
            f"{name}: b in lists", lambda solve: solve(A, B.tolist()).x, solve, expected=X_AB
        )
        whole = np.array([[2, 1], [1, 3]])
        yield right(
            f"{name}: whole numbers",
            lambda solve, A: solve(A, np.array([1, 2])).x,
            solve,
            whole,
            expected=np.linalg.solve(whole, [1, 2]),
        )
        yield right(
            f"{name}: b a read-only view",
            lambda solve: solve(A, np.broadcast_to(B[:, :1], (4, 1))[:, 0]).x,
            solve,
            expected=X_AB[:, 0],
        )
        yield right(
            f"{name}: one equation",
            lambda solve: solve(np.array([[4.0]]), [2.0]).x,
            solve,
            expected=[0.5],
        )
    half = B.astype(np.float16)
    yield right(
        "cg: b in float16",
        lambda: cg(A, half).x,
        expected=np.linalg.solve(A, half.astype(float)),
        tol=1e-3,
    )
    yield right(
        "cg: tensors", lambda: cg(torch.tensor(A), torch.tensor(B)).x.numpy(), expected=X_AB
    )
    single = linear(X, Y, dtype=np.float32)
    yield right(
        "cg: a Hessian in float32",
        lambda: cg(Hessian(single, THETA), np.ones(3, np.float32)).x,
        expected=np.linalg.solve(LOGISTIC.hessian(THETA), np.ones(3)),
        tol=1e-4,
    )


def of_matrices():
    for name, solve in {"direct": direct, "cg": cg}.items():
        for kind, bad in {"indefinite": np.diag([1.0, -1]), "minus I": -np.eye(2)}.items():
            yield refused(f"{name}: A {kind}", solve, bad, np.ones(2), saying="eigenvalue")
    yield refused(
        "direct: the message names the eigenvalue",
        direct,
        np.diag([1.0, -1]),
        np.ones(2),
        saying="eigenvalue -1",
    )
    yield told(
        "direct: A singular, b outside its range",
        direct,
        np.ones((2, 2)),
        np.array([1.0, -1]),
        saying="eigenvalue|singular|residual",
    )
    lopsided = np.array([[2.0, 1], [0, 2]])
    yield right_or_told(
        "direct: A not symmetric",
        lambda: direct(lopsided, np.ones(2)).converged,
        expected=False,
        saying="symmetric",
    )
    hilbert = scipy.linalg.hilbert(12)
    yield told(
        "direct: Hilbert's matrix, which rounding makes singular",
        direct,
        hilbert,
        np.ones(12),
        saying="residual|eigenvalue|converged|singular",
    )
    nearly = scipy.linalg.hilbert(8)
    yield right(
        "direct: a matrix of condition 1e10",
        lambda: nearly @ direct(nearly, nearly @ np.ones(8)).x,
        expected=nearly @ np.ones(8),
    )


class Operator:
    """A reader's own, which hands out its matrix and not a copy."""

    shape = (4, 4)

    def __init__(self, dtype=float):
        self.matrix = A.astype(dtype)

    def __array__(self, dtype=None, copy=None):
        return self.matrix

    def __matmul__(self, V):
        return self.matrix @ V


def of_nothing_overwritten():
    for dtype in (np.float64, np.float32):
        for name, solve in {"direct": direct, "factorize": lambda M, b: factorize(M)(b)}.items():

            def kept_operator(solve, dtype=dtype):
                operator = Operator(dtype)
                solve(operator, B)
                return operator.matrix, A

            def kept_tensor(solve, dtype=dtype):
                tensor = torch.tensor(A.astype(dtype))
                solve(tensor, B)
                return tensor.numpy(), A

            kind = np.dtype(dtype).name
            yield agree(f"{name}: a reader's operator of {kind} stays", kept_operator, solve)
            yield agree(f"{name}: a tensor of {kind} stays", kept_tensor, solve)

    def kept_frame():
        frame = pd.DataFrame(A.copy())
        x = direct(frame, B).x
        return np.vstack([frame.to_numpy(), x.T]), np.vstack([A, X_AB.T])

    def kept_twice():
        operator = Operator()
        direct(operator, B)
        return direct(operator, B).x, X_AB

    yield agree("direct: a DataFrame stays", kept_frame)
    yield agree("direct: a reader's operator gives the same twice", kept_twice)
    for order in "CF":
        ordered, rhs = np.array(A, order=order), np.array(B, order=order)
        for name, solve in {"direct": direct, "cg": cg}.items():
            yield right(
                f"{name}: arrays of order {order} stay",
                lambda solve, M, b: solve(M, b).x,
                solve,
                ordered,
                rhs,
                expected=X_AB,
            )
    yield right(
        "direct: a read-only matrix", lambda: direct(np.broadcast_to(A, (4, 4)), B).x, expected=X_AB
    )


def of_size():
    """Nothing depends on the units of A or of b."""
    for name, solve in {"direct": direct, "cg": cg}.items():
        for size in (1e-300, 1e-200, 1e-100, 1e100, 1e200):
            yield right(
                f"{name}: b of {size:g}",
                lambda solve, size: solve(A, B * size).x / size,
                solve,
                size,
                expected=X_AB,
            )
        for size in (1e-200, 1e-100, 1e100, 1e200):
            yield right(
                f"{name}: A of {size:g}",
                lambda solve, size: solve(A * size, B).x * size,
                solve,
                size,
                expected=X_AB,
            )
        scales = np.array([1e-200, 1e200])
        yield right(
            f"{name}: columns of 1e-200 and 1e200 side by side",
            lambda solve, scales: solve(A, B * scales).x / scales,
            solve,
            scales,
            expected=X_AB,
        )
        yield right(
            f"{name}: the residual of b of 1e200 is none",
            lambda solve: solve(A, B * 1e200).residual + 1,
            solve,
            expected=np.ones(2),
        )


def of_singular_systems():
    """Where A is singular there is an answer only for some b; of these the smallest is meant."""
    yield right_or_told(
        "cg: A singular, b in its range",
        lambda: cg(SINGULAR, np.array([1.0, 1, 0])).x,
        expected=[1, 0.5, 0],
        saying=NOT_POSITIVE,
    )
    yield right_or_told(
        "direct: A singular, b in its range",
        lambda: SINGULAR @ direct(SINGULAR, np.array([1.0, 1, 0])).x,
        expected=[1, 1, 0],
        saying=NOT_POSITIVE,
    )
    early = r"= -?\d\.\d+e(-|\+[01])\d|singular|residual"  # before anything has grown to 1e26
    ones = np.outer([1, 2, 3.0], [1, 2, 3.0]) / 14
    yield told("cg: A singular, b outside its range", cg, SINGULAR, np.ones(3), saying=early)
    yield told("cg: A of rank one, b outside its range", cg, ones, np.ones(3), saying=early)
    yield told("cg: A of rank one, b orthogonal", cg, ones, np.array([3.0, 0, -1]), saying=early)
    yield told("cg: A of zeros", cg, np.zeros((3, 3)), np.ones(3), saying=f"{early}|eigenvalue")
    yield told("direct: A of zeros", direct, np.zeros((3, 3)), np.ones(3), saying=NOT_POSITIVE)
    wide = np.random.default_rng(5).standard_normal((3, 50))
    yield told("cg: 50 unknowns, rank 3, b outside", cg, wide.T @ wide, np.ones(50), saying=early)
    yield right_or_told(
        "cg: 50 unknowns, rank 3, b in the range",
        lambda: cg(wide.T @ wide, wide[0]).x,
        expected=np.linalg.pinv(wide.T @ wide, rcond=1e-10) @ wide[0],
        saying=NOT_POSITIVE,
    )


def of_options():
    for rtol in (np.nan, -1.0, 0.0, 2.0, "1e-3"):
        yield told(f"cg: rtol = {rtol!r}", cg, A, B, rtol=rtol, saying="rtol|tolerance|residual")
    for max_steps in (-1, 2.5, "9"):
        yield refused(
            f"cg: max_steps = {max_steps!r}", cg, A, B, max_steps=max_steps, saying="max_steps"
        )
    yield told("cg: max_steps = 0", cg, A, B, max_steps=0, saying="stopped after 0 steps|max_steps")
    yield told("cg: one step where four are needed", cg, A, B, max_steps=1, saying="residual")
    yield refused(
        "cg: preconditioner indefinite",
        cg,
        A,
        B,
        preconditioner=-np.eye(4),
        saying="preconditioner",
    )
    yield refused(
        "cg: preconditioner of NaN",
        cg,
        A,
        B,
        preconditioner=A * np.nan,
        saying="preconditioner|NaN",
    )
    yield right(
        "cg: the inverse as preconditioner",
        lambda: cg(A, B, preconditioner=np.linalg.inv(A)).x,
        expected=X_AB,
    )
    yield holds(
        "cg: the certificate is that of its own answer",
        lambda: np.allclose(
            cg(A, B, rtol=0.3).residual,
            np.linalg.norm(B - A @ cg(A, B, rtol=0.3).x, axis=0) / np.linalg.norm(B, axis=0),
        ),
    )
    yield right(
        "dense: an operator",
        lambda: mi.dense(Hessian(LOGISTIC, THETA)),
        expected=LOGISTIC.hessian(THETA),
    )
