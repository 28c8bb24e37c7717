"""Bundles and runs in registries: the Hugging Face hub, folders in the layout of its cache, and OCI registries.

    address     what names an upload, and where it lies
    package     the document that lists every file of an upload by size and SHA-256
    packing     the package of a bundle or run on disk
    card        the model card, and its pictures
    base        what the three kinds of registries have in common
    hub, folder, oci
    push, pull  the two verbs

Nothing that a registry says is believed: `pull` compares every file with the package, checks the digital signature
if it is asked to, and renames the whole into its location at the end. This stage knows no torch and no runtime.
"""
