return make_group() or 1
