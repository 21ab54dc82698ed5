"""Every backbone in one table: what is needed to use it right. Read it through `applications.backbones`."""

from __future__ import annotations

from typing import NamedTuple


class Backbone(NamedTuple):
    """One pretrained image model.

    Attributes:
        name: its name in this project.
        constructor: "module:attribute" of the function that builds it.
        input_size: height and width in pixels at which its weights were evaluated.
        least_input_size: the smallest size that can be built.
        embedding_width: length of an embedding.
        parameters: number of weights, without the classifier.
        preprocessing: "lite", "tf", "torch" or "caffe" (see `applications.backbones.preprocess`); "none" where the
            network of `keras.applications` holds it already.
        crop: side of the centre square that is resized to `input_size`, as a fraction of the image's short side.
        blocks: regular expression; the layers whose whole name matches it, and which every path from input to
            output passes, end a block (the first one the stem).
        unfreeze: number of blocks that "the last blocks" are: those that work at the final resolution; of the
            built-in network and its larger siblings, which train fast enough, also those at twice that.
        weights: "built-in" (installed with this package), "extra" (a package of their own) or "keras" (downloaded).
        file: name of the weights file in the cache of Keras, "" for the others; ``{size}`` stands for one of
            `file_sizes`.
        file_sizes: input sizes that have a weights file of their own, the default one last.
    """

    name: str
    constructor: str
    input_size: int
    least_input_size: int
    embedding_width: int
    parameters: int
    preprocessing: str
    crop: float
    blocks: str
    unfreeze: int
    weights: str
    file: str
    file_sizes: tuple[int, ...]


class _Family(NamedTuple):
    """What the rows of a family have in common; `file` may name the row or its constructor in small letters."""

    preprocessing: str
    blocks: str
    file: str
    least_input_size: int = 32
    file_sizes: tuple[int, ...] = ()


_KERNELS = "_weights_tf_dim_ordering_tf_kernels_notop.h5"

# Tan and Le 2019, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks"; the lite variants.
_LITE = _Family("lite", r"stem_relu|block\d+_(add|project_norm)", "")
# Liu et al. 2022, "A ConvNet for the 2020s". A block is a stage: its inner sums are no layers.
_CONVNEXT = _Family("none", r"\w+_(stem|downsampling_block_\d)|global_average_pooling2d(_\d+)?", "{name}_notop.h5")
# Huang et al. 2017, "Densely Connected Convolutional Networks". A block is a dense block and what halves after it.
_DENSENET = _Family("torch", r"pool1|pool\d_pool|relu", "{name}" + _KERNELS)
# Tan and Le 2019, as above.
_EFFICIENTNET = _Family("none", r"stem_activation|block\d[a-z]_(add|project_bn)", "{constructor}_notop.h5")
# Tan and Le 2021, "EfficientNetV2: Smaller Models and Faster Training". Block 1a may end with an activation.
_EFFICIENTNET_V2 = _Family(
    "none",
    r"stem_activation|block1[a-z]_(add|project_activation)|block[2-9][a-z]_(add|project_bn)",
    "efficientnetv2-{variant}_notop.h5",
)
# Szegedy et al. 2017, "Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning".
_INCEPTION_RESNET = _Family("tf", r"mixed_\d[ab]|block\d+_\d+_ac|conv_7b_ac", "{name}" + _KERNELS, 75)
# Szegedy et al. 2016, "Rethinking the Inception Architecture for Computer Vision".
_INCEPTION = _Family("tf", r"mixed\d+", "{name}" + _KERNELS, 75)
# Howard et al. 2017, "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications".
_MOBILENET = _Family(
    "tf",
    r"conv1_relu|conv_pw_\d+_relu",
    "mobilenet_1_0_{size}_tf_no_top.h5",
    file_sizes=(128, 160, 192, 224),
)
# Sandler et al. 2018, "MobileNetV2: Inverted Residuals and Linear Bottlenecks".
_MOBILENET_V2 = _Family(
    "tf",
    r"Conv1_relu|expanded_conv_project_BN|block_\d+_(add|project_BN)",
    "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_{size}_no_top.h5",
    file_sizes=(96, 128, 160, 192, 224),
)
# Howard et al. 2019, "Searching for MobileNetV3".
_MOBILENET_V3 = _Family(
    "none",
    r"conv_bn|expanded_conv(_\d+)?_(add|project_bn)",
    "weights_{name}_224_1.0_float_no_top_v2.h5",
)
# Zoph et al. 2018, "Learning Transferable Architectures for Scalable Image Recognition". A cell reads the two
# before it, so that nothing but the stem can be cut off: the last block is all the rest.
_NASNET = _Family("tf", r"stem_bn1|normal_concat_\d+", "{name}_no_top.h5")
# He et al. 2016, "Deep Residual Learning for Image Recognition".
_RESNET = _Family("caffe", r"pool1_pool|conv\d_block\d+_out", "{constructor}" + _KERNELS)
# He et al. 2016, "Identity Mappings in Deep Residual Networks".
_RESNET_V2 = _RESNET._replace(preprocessing="tf")
# Simonyan and Zisserman 2015, "Very Deep Convolutional Networks for Large-Scale Image Recognition". No stem.
_VGG = _Family("caffe", r"block\d_pool", "{constructor}" + _KERNELS)
# Chollet 2017, "Xception: Deep Learning with Depthwise Separable Convolutions".
_XCEPTION = _Family("tf", r"block1_conv2_act|add(_\d+)?|block14_sepconv2_act", "{constructor}" + _KERNELS, 71)


def _row(
    family: _Family,
    constructor: str,
    name: str,
    input_size: int,
    embedding_width: int,
    parameters: int,
    unfreeze: int,
    crop: float = 0.875,
    weights: str = "keras",
) -> Backbone:
    module = "keras.applications" if weights == "keras" else "applications.efficientnet_lite"
    variant = name.rpartition("_")[2]
    return Backbone(
        name,
        f"{module}:{constructor}",
        input_size,
        family.least_input_size,
        embedding_width,
        parameters,
        family.preprocessing,
        crop,
        family.blocks,
        unfreeze,
        weights,
        family.file.format(name=name, constructor=constructor.lower(), variant=variant, size="{size}"),
        family.file_sizes,
    )


# The crop is 224 / 256 where nothing else is published. EfficientNets resize to 32 pixels more than they crop, but
# not the three large ones of the second version.
_ROWS = (
    # family, constructor, name, input size, embedding width, parameters, last blocks, crop
    _row(_LITE, "keras_model", "efficientnet_lite0", 224, 1280, 3_413_024, 11, 0.875, weights="built-in"),
    _row(_LITE, "keras_model", "efficientnet_lite1", 240, 1280, 4_189_344, 14, 0.882, weights="extra"),
    _row(_LITE, "keras_model", "efficientnet_lite2", 260, 1280, 4_869_168, 14, 0.89, weights="extra"),
    _row(_CONVNEXT, "ConvNeXtTiny", "convnext_tiny", 224, 768, 27_820_128, 1),
    _row(_CONVNEXT, "ConvNeXtSmall", "convnext_small", 224, 768, 49_454_688, 1),
    _row(_CONVNEXT, "ConvNeXtBase", "convnext_base", 224, 1024, 87_566_464, 1),
    _row(_CONVNEXT, "ConvNeXtLarge", "convnext_large", 224, 1536, 196_230_336, 1),
    _row(_CONVNEXT, "ConvNeXtXLarge", "convnext_xlarge", 224, 2048, 348_147_968, 1),
    _row(_DENSENET, "DenseNet121", "densenet121", 224, 1024, 7_037_504, 1),
    _row(_DENSENET, "DenseNet169", "densenet169", 224, 1664, 12_642_880, 1),
    _row(_DENSENET, "DenseNet201", "densenet201", 224, 1920, 18_321_984, 1),
    _row(_EFFICIENTNET, "EfficientNetB0", "efficientnet_b0", 224, 1280, 4_049_571, 5),
    _row(_EFFICIENTNET, "EfficientNetB1", "efficientnet_b1", 240, 1280, 6_575_239, 7, 0.882),
    _row(_EFFICIENTNET, "EfficientNetB2", "efficientnet_b2", 260, 1408, 7_768_569, 7, 0.89),
    _row(_EFFICIENTNET, "EfficientNetB3", "efficientnet_b3", 300, 1536, 10_783_535, 8, 0.904),
    _row(_EFFICIENTNET, "EfficientNetB4", "efficientnet_b4", 380, 1792, 17_673_823, 10, 0.922),
    _row(_EFFICIENTNET, "EfficientNetB5", "efficientnet_b5", 456, 2048, 28_513_527, 12, 0.934),
    _row(_EFFICIENTNET, "EfficientNetB6", "efficientnet_b6", 528, 2304, 40_960_143, 14, 0.943),
    _row(_EFFICIENTNET, "EfficientNetB7", "efficientnet_b7", 600, 2560, 64_097_687, 17, 0.949),
    _row(_EFFICIENTNET_V2, "EfficientNetV2B0", "efficientnet_v2_b0", 224, 1280, 5_919_312, 8),
    _row(_EFFICIENTNET_V2, "EfficientNetV2B1", "efficientnet_v2_b1", 240, 1280, 6_931_124, 9, 0.882),
    _row(_EFFICIENTNET_V2, "EfficientNetV2B2", "efficientnet_v2_b2", 260, 1408, 8_769_374, 10, 0.89),
    _row(_EFFICIENTNET_V2, "EfficientNetV2B3", "efficientnet_v2_b3", 300, 1536, 12_930_622, 12, 0.904),
    _row(_EFFICIENTNET_V2, "EfficientNetV2S", "efficientnet_v2_s", 384, 1280, 20_331_360, 15, 1.0),
    _row(_EFFICIENTNET_V2, "EfficientNetV2M", "efficientnet_v2_m", 480, 1280, 53_150_388, 23, 1.0),
    _row(_EFFICIENTNET_V2, "EfficientNetV2L", "efficientnet_v2_l", 480, 1280, 117_746_848, 32, 1.0),
    _row(_INCEPTION_RESNET, "InceptionResNetV2", "inception_resnet_v2", 299, 1536, 54_336_736, 11),
    _row(_INCEPTION, "InceptionV3", "inception_v3", 299, 2048, 21_802_784, 3),
    _row(_MOBILENET, "MobileNet", "mobilenet", 224, 1024, 3_228_864, 2),
    _row(_MOBILENET_V2, "MobileNetV2", "mobilenet_v2", 224, 1280, 2_257_984, 4),
    _row(_MOBILENET_V3, "MobileNetV3Small", "mobilenet_v3_small", 224, 576, 939_120, 3),
    _row(_MOBILENET_V3, "MobileNetV3Large", "mobilenet_v3_large", 224, 960, 2_996_352, 3),
    _row(_NASNET, "NASNetMobile", "nasnet_mobile", 224, 1056, 4_269_716, 1),
    _row(_NASNET, "NASNetLarge", "nasnet_large", 331, 4032, 84_916_818, 1),
    _row(_RESNET, "ResNet50", "resnet50", 224, 2048, 23_587_712, 3),
    _row(_RESNET, "ResNet101", "resnet101", 224, 2048, 42_658_176, 3),
    _row(_RESNET, "ResNet152", "resnet152", 224, 2048, 58_370_944, 3),
    _row(_RESNET_V2, "ResNet50V2", "resnet50_v2", 224, 2048, 23_564_800, 4),
    _row(_RESNET_V2, "ResNet101V2", "resnet101_v2", 224, 2048, 42_626_560, 4),
    _row(_RESNET_V2, "ResNet152V2", "resnet152_v2", 224, 2048, 58_331_648, 4),
    _row(_VGG, "VGG16", "vgg16", 224, 512, 14_714_688, 1),
    _row(_VGG, "VGG19", "vgg19", 224, 512, 20_024_384, 1),
    _row(_XCEPTION, "Xception", "xception", 299, 2048, 20_861_480, 2),
)
BACKBONES: dict[str, Backbone] = {row.name: row for row in _ROWS}
