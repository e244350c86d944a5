import numpy as np
import pytest

from obcn.figures.loss_curves import loss_and_gradient_figure
from obcn.offsets import UniformBins
from obcn.tables.loss_curves import loss_curves

ERRORS = np.linspace(-3, 3, 601)


def test_regression_gradients_are_slopes_of_the_losses():
    curves = loss_curves(ERRORS, betas=(0.5, 2.0))
    regression = curves[curves.family != "cross entropy"]
    assert regression.loss_name.nunique() == 3
    for _, part in regression.groupby("loss_name"):
        slope = np.gradient(part.loss.to_numpy(), ERRORS)
        np.testing.assert_allclose(part.gradient, slope, atol=0.02)


def test_cross_entropy_pulls_by_one_less_the_true_probability():
    curves = loss_curves(ERRORS, spreads=(0.3, 1.0))
    for _, part in curves[curves.family == "cross entropy"].groupby("loss_name"):
        np.testing.assert_allclose(part.gradient.abs(), (1 - np.exp(-part.loss)) * (ERRORS != 0), atol=1e-12)
        assert (np.sign(part.gradient) == np.sign(ERRORS)).all()
        assert part.gradient.abs().max() <= 1
        assert part.loss.to_numpy().argmin() == 300


def test_cross_entropy_of_two_bins_by_hand():
    """One bin over (-1, 1) and two tails: representatives -1, 0, 1; the true bin is the middle one."""
    curves = loss_curves(np.array([0.0, 1.0]), spreads=(1.0,), bins=UniformBins(1, 1.0))
    loss = curves[curves.family == "cross entropy"].loss.to_numpy()
    weights = np.exp([-0.5, 0, -0.5]), np.exp([-2, -0.5, 0])
    np.testing.assert_allclose(loss, [-np.log(w[1] / w.sum()) for w in weights])


def test_figure_shows_every_loss_twice():
    figure = loss_and_gradient_figure(loss_curves(ERRORS))
    names = [trace.name for trace in figure.data]
    assert len(names) == 12
    assert sorted(names) == sorted(2 * list(dict.fromkeys(names)))
    assert figure.layout.xaxis.title.text == "error, normalised offset"
    assert figure.layout.yaxis2.range == pytest.approx((-2.1, 2.1))
