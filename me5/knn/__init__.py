"""Exact nearest neighbours: a screen that bounds every score, exact scores of what it lets through.

``codes``    unit rows as int8 codes whose integer product is an upper bound of the score
``screens``  tiles of upper bounds, from those codes or from a plain float32 product
``scores``   float32 scores of chosen pairs
``best``     running lists of the k best
``sweep``    one pass over the tiles that feeds both lists
``saved``    what is kept on disk so that a killed run goes on
``device``   the same answer by plain blocked products, for a GPU

``neighbours`` puts them together, both ways at once; ``similarity`` is cosine scores and a plain top k.
"""
