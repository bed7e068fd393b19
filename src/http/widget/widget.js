// The widget of replyd. Not written yet.
