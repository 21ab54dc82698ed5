"""Recurrent networks for sequences, series and text: simple, LSTM and GRU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from zoo.builders import checks

if TYPE_CHECKING:
    import keras


def rnn(
    input_shape: Sequence[int | None],
    num_classes: int,
    *,
    output: str = "softmax",
    units: Sequence[int] = (64,),
    activation: str = "tanh",
    initializer: str | None = None,
    bidirectional: bool = False,
    pooling: str = "last",
    dropout: float = 0.0,
    l2: float = 0.0,
    vocabulary_size: int | None = None,
    embedding: int = 64,
    token_dropout: float = 0.0,
    ngrams: int = 0,
    masking: bool = True,
    name: str = "rnn",
    task: str | None = None,
) -> keras.Model:
    """Simple recurrent network: one layer that reads its own last output; forgets over long sequences.

    Input: float32 (batch, length, features), best near unit variance, steps of NaN are padding; with
        `vocabulary_size` int32 (batch, length), token ids, 0 is padding.
    Output: float32 (batch, num_classes): probabilities that sum to 1 (softmax), one probability each (sigmoid),
        numbers (linear).

    Args:
        input_shape: (length, features), or (length,) with `vocabulary_size`; a length of None is any length.
        num_classes: classes, labels, values, or steps to forecast.
        output: activation of the output: "softmax" for one class of several, "sigmoid" for labels or one probability
            each, "linear" for numbers, "softplus" or "exponential" for numbers over 0.
        units: width of each layer.
        activation: of the recurrence: relu, leaky_relu, elu, gelu, tanh or sigmoid.
        initializer: of the input kernels, a Keras name; None picks the one that fits the activation. The recurrent
            kernels are orthogonal.
        bidirectional: read each sequence from both ends; doubles the width of each layer.
        pooling: what of the last layer goes to the output: its "last" state, the "mean" or the "max" over the steps,
            or "mean_max", both.
        dropout: share of each layer's outputs set to 0 in training, in [0, 1).
        l2: penalty on the sum of squared weights of the kernels.
        vocabulary_size: how many token ids there are, padding included; None for sequences of numbers.
        embedding: width of a token's vector.
        token_dropout: share of the tokens made unknown in training, in [0, 1); with `vocabulary_size` only.
        ngrams: beside the recurrent layers, a linear model of words (1) or of words and pairs of them (2), learnt
            with them; 0 for none; with `vocabulary_size` only. Good where texts are few.
        masking: whether steps of NaN are skipped; without it such a step gives NaN, and training is a third faster.
        name: of the model.
        task: deprecated, goes in the next version; give `output`.

    Raises:
        ValueError: a shape, size or name that is none of these.

    Source: Elman 1990, "Finding Structure in Time".
    """
    output = checks.activation(output, task)
    kernel_initializer = checks.initial(initializer, activation)

    def layer(width: int, **common: object) -> keras.layers.Layer:
        from keras import layers

        return layers.SimpleRNN(width, activation=activation, kernel_initializer=kernel_initializer, **common)

    return _recurrent(
        layer, input_shape, num_classes, output, units, bidirectional, pooling, dropout, l2, vocabulary_size, embedding,
        token_dropout, ngrams, masking, name, "rnn",
    )  # fmt: skip


def lstm(
    input_shape: Sequence[int | None],
    num_classes: int,
    *,
    output: str = "softmax",
    units: Sequence[int] = (64,),
    bidirectional: bool = False,
    pooling: str = "last",
    dropout: float = 0.0,
    l2: float = 0.0,
    vocabulary_size: int | None = None,
    embedding: int = 64,
    token_dropout: float = 0.0,
    ngrams: int = 0,
    masking: bool = True,
    name: str = "lstm",
    task: str | None = None,
) -> keras.Model:
    """Long short-term memory: gates decide what a cell keeps, so that it remembers over many steps.

    Input: float32 (batch, length, features), best near unit variance, steps of NaN are padding; with
        `vocabulary_size` int32 (batch, length), token ids, 0 is padding.
    Output: float32 (batch, num_classes): probabilities that sum to 1 (softmax), one probability each (sigmoid),
        numbers (linear).

    Args:
        input_shape: (length, features), or (length,) with `vocabulary_size`; a length of None is any length.
        num_classes: classes, labels, values, or steps to forecast.
        output: activation of the output: "softmax" for one class of several, "sigmoid" for labels or one probability
            each, "linear" for numbers, "softplus" or "exponential" for numbers over 0.
        units: width of each layer.
        bidirectional: read each sequence from both ends; doubles the width of each layer.
        pooling: what of the last layer goes to the output: its "last" state, the "mean" or the "max" over the steps,
            or "mean_max", both.
        dropout: share of each layer's outputs set to 0 in training, in [0, 1).
        l2: penalty on the sum of squared weights of the kernels.
        vocabulary_size: how many token ids there are, padding included; None for sequences of numbers.
        embedding: width of a token's vector.
        token_dropout: share of the tokens made unknown in training, in [0, 1); with `vocabulary_size` only.
        ngrams: beside the recurrent layers, a linear model of words (1) or of words and pairs of them (2), learnt
            with them; 0 for none; with `vocabulary_size` only. Good where texts are few.
        masking: whether steps of NaN are skipped; without it such a step gives NaN, and training is a third faster.
        name: of the model.
        task: deprecated, goes in the next version; give `output`.

    Raises:
        ValueError: a shape, size or name that is none of these.

    Source: Hochreiter and Schmidhuber 1997, "Long Short-Term Memory"; the forget gate: Gers et al. 2000.
    """
    from keras import layers

    output = checks.activation(output, task)
    return _recurrent(
        layers.LSTM, input_shape, num_classes, output, units, bidirectional, pooling, dropout, l2, vocabulary_size,
        embedding, token_dropout, ngrams, masking, name, "lstm",
    )  # fmt: skip


def gru(
    input_shape: Sequence[int | None],
    num_classes: int,
    *,
    output: str = "softmax",
    units: Sequence[int] = (64,),
    bidirectional: bool = False,
    pooling: str = "last",
    dropout: float = 0.0,
    l2: float = 0.0,
    vocabulary_size: int | None = None,
    embedding: int = 64,
    token_dropout: float = 0.0,
    ngrams: int = 0,
    masking: bool = True,
    name: str = "gru",
    task: str | None = None,
) -> keras.Model:
    """Gated recurrent unit: two gates where the LSTM has three, and a quarter fewer weights.

    Input: float32 (batch, length, features), best near unit variance, steps of NaN are padding; with
        `vocabulary_size` int32 (batch, length), token ids, 0 is padding.
    Output: float32 (batch, num_classes): probabilities that sum to 1 (softmax), one probability each (sigmoid),
        numbers (linear).

    Args:
        input_shape: (length, features), or (length,) with `vocabulary_size`; a length of None is any length.
        num_classes: classes, labels, values, or steps to forecast.
        output: activation of the output: "softmax" for one class of several, "sigmoid" for labels or one probability
            each, "linear" for numbers, "softplus" or "exponential" for numbers over 0.
        units: width of each layer.
        bidirectional: read each sequence from both ends; doubles the width of each layer.
        pooling: what of the last layer goes to the output: its "last" state, the "mean" or the "max" over the steps,
            or "mean_max", both.
        dropout: share of each layer's outputs set to 0 in training, in [0, 1).
        l2: penalty on the sum of squared weights of the kernels.
        vocabulary_size: how many token ids there are, padding included; None for sequences of numbers.
        embedding: width of a token's vector.
        token_dropout: share of the tokens made unknown in training, in [0, 1); with `vocabulary_size` only.
        ngrams: beside the recurrent layers, a linear model of words (1) or of words and pairs of them (2), learnt
            with them; 0 for none; with `vocabulary_size` only. Good where texts are few.
        masking: whether steps of NaN are skipped; without it such a step gives NaN, and training is a third faster.
        name: of the model.
        task: deprecated, goes in the next version; give `output`.

    Raises:
        ValueError: a shape, size or name that is none of these.

    Source: Cho et al. 2014, "Learning Phrase Representations using RNN Encoder-Decoder".
    """
    from keras import layers

    output = checks.activation(output, task)
    return _recurrent(
        layers.GRU, input_shape, num_classes, output, units, bidirectional, pooling, dropout, l2, vocabulary_size,
        embedding, token_dropout, ngrams, masking, name, "gru",
    )  # fmt: skip


def _recurrent(
    layer: Callable[..., keras.layers.Layer],
    input_shape: Sequence[int | None],
    num_classes: int,
    output: str,
    units: Sequence[int],
    bidirectional: bool,
    pooling: str,
    dropout: float,
    l2: float,
    vocabulary_size: int | None,
    embedding: int,
    token_dropout: float,
    ngrams: int,
    masking: bool,
    name: str,
    builder: str,
) -> keras.Model:
    """What the three share; `layer` makes one recurrent layer of a width."""
    import keras
    from keras import layers

    from zoo.builders.layers import POOLINGS, MaskedPooling, NGrams, Padding, TokenDropout

    if vocabulary_size is None:
        takes = "sequences (length, features), or token ids (length,) with vocabulary_size"
        sizes = checks.shape(builder, input_shape, (2,), takes, free=1)
    else:
        sizes = checks.shape(builder, input_shape, (1,), "with vocabulary_size token ids (length,)", free=1)
        vocabulary_size = checks.positive("vocabulary_size", vocabulary_size, 2)
    num_classes = checks.outputs(num_classes, output)
    units = checks.several("units", units)
    checks.one_of("bidirectional", bidirectional, (True, False))
    checks.one_of("masking", masking, (True, False))
    checks.one_of("pooling", pooling, POOLINGS)
    checks.rate("dropout", dropout)
    embedding = checks.positive("embedding", embedding)
    checks.rate("token_dropout", token_dropout)
    checks.one_of("ngrams", ngrams, (0, 1, 2))
    if vocabulary_size is None and (token_dropout or ngrams):
        raise ValueError(
            "token_dropout and ngrams are for token ids: expected vocabulary_size with them; "
            f"received token_dropout={token_dropout!r}, ngrams={ngrams!r}"
        )
    regularizer = checks.penalty(l2=l2)

    if vocabulary_size is None:
        inputs = keras.Input(sizes)
        x = Padding()(inputs) if masking else inputs
    else:
        inputs = keras.Input(sizes, dtype="int32")
        tokens = TokenDropout(token_dropout)(inputs) if token_dropout else inputs
        x = layers.Embedding(vocabulary_size, embedding, mask_zero=True)(tokens)
        if dropout:
            x = layers.Dropout(dropout)(x)
    for position, width in enumerate(units):
        steps = position + 1 < len(units) or pooling != "last"  # the output of every step, not of the last alone
        x_layer = layer(
            width, return_sequences=steps, kernel_regularizer=regularizer, recurrent_regularizer=regularizer
        )
        x = (layers.Bidirectional(x_layer) if bidirectional else x_layer)(x)
        if dropout and position + 1 < len(units):
            x = layers.Dropout(dropout)(x)
    if pooling != "last":
        x = MaskedPooling(pooling)(x)
    if dropout:
        x = layers.Dropout(dropout)(x)
    linear = NGrams(num_classes, vocabulary_size, ngrams, dtype="float32")(tokens) if ngrams else None
    return keras.Model(inputs, checks.output(x, num_classes, output, regularizer=regularizer, beside=linear), name=name)
