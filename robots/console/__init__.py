"""The operator's page: cameras, curves, processes and buttons in a browser.

Four processes: the web server decides who may do what and waits for nothing; `library` reads run stores,
`ros_bridge` listens to the robot and carries stop, arm and presses, `ros_cameras` turns frames into JPEGs.
The three talk to the server through pipes, so whatever is slow or dies is not the server. Nothing here writes
to a run's store or decides how a robot moves.
"""
