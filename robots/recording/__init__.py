"""Recording and data sets: raw topics to bags, bags to training steps, steps to LeRobot data sets and back.

Bags are written without being decoded and read without ROS; steps are made of them through the code that
makes the live observation. What learns from steps is `learners`; what shows them live is `robots`.
"""
